"""What a shell is told may follow on a command line, by the installed program."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from thalweg.cli import app, completion
from thalweg.optim import OPTIMIZERS

SCRIPT = Path(sys.executable).parent / "thalweg"

STUDY = """
[study]
name = "mine"
[presets.short]
train.epochs = 1
[presets.long]
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which the commands have been written down."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        completion.described()
    assert (folder / "thalweg" / "completion.json").exists()
    return folder


@pytest.fixture
def complete(cache: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Give a function that completes the last word of a command line as bash does."""
    (tmp_path / "study.toml").write_text(STUDY)
    folder = tmp_path / "thalweg-out" / "studies" / "digits-study"
    folder.mkdir(parents=True)
    (folder / "study.json").write_text("{}")
    (folder / "study.toml").write_text("[arms.plain]\n[arms.heavy]\n")

    def run(line: str) -> list[str]:
        asked = {
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
            "_THALWEG_COMPLETE": "complete_bash",
            "XDG_CACHE_HOME": str(cache),
        }
        command = [sys.executable, "-X", "importtime", SCRIPT]
        done = subprocess.run(
            command,
            env={**os.environ, **asked},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "thalweg.cli.completion" in imported
        assert not {"torch", "numpy", "polars"} & imported
        return done.stdout.split()

    return run


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("thalweg expl", ["explain"]),
        ("thalweg run lottery-tickets-", ["lottery-tickets-images"]),
        ("thalweg run stu", ["study.toml"]),
        ("thalweg run study.toml --preset ", ["full", "short", "long"]),
        ("thalweg run demo --pre", ["--preset"]),
        ("thalweg train ml", ["mlp"]),
        ("thalweg train mlp ", ["digits", "sine", "mnist", "fashion-mnist"]),
        ("thalweg sweep mlp digits --optimizer adam", ["adam", "adamw", "adamax", "adamw_eg"]),
        ("thalweg train mlp digits --schedule co", ["constant", "cosine"]),
        ("thalweg show dig", ["digits-study"]),
        ("thalweg compare --study digits-study pl", ["plain"]),
        ("thalweg compare plain heavy --metric test", ["test_accuracy", "test_loss"]),
        ("thalweg run study.toml --set train.ba", ["train.batch_size="]),
        ("thalweg explain sparsity.rew", ["sparsity.rewind"]),
        ("thalweg list opt", ["optimizers"]),
        ("thalweg data fe", ["fetch"]),
        ("thalweg measure x --probe he", ["hessian"]),
    ],
)
def test_what_follows(line: str, expected: list[str], complete: Callable[..., list[str]]) -> None:
    assert complete(line) == expected


def test_every_command_and_option_is_told(cache: Path) -> None:
    found = json.loads((cache / "thalweg" / "completion.json").read_text("utf-8"))
    command = typer.main.get_command(app)
    assert found["commands"].keys() == command.commands.keys()  # type: ignore[attr-defined]
    for name, each in command.commands.items():  # type: ignore[attr-defined]
        told = {o for p in found["commands"][name]["parameters"] for o in p["options"]}
        options = {o for p in each.params if p.param_type_name == "option" for o in p.opts}
        assert options - {"--help"} <= told
    assert found["names"]["optimizers"] == OPTIMIZERS.names()


def test_it_takes_less_than_a_second_of_the_processor(complete: Callable[..., list[str]]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    complete("thalweg run ")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_a_change_of_the_package_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls: list[int] = []

    def describe() -> completion.Described:
        calls.append(1)
        return {"names": {}, "commands": {}}

    monkeypatch.setattr(completion, "describe", describe)
    for stamp, count in (("a", 1), ("a", 1), ("b", 2)):
        monkeypatch.setattr(completion, "_stamp", lambda stamp=stamp: stamp)
        completion.described()
        assert len(calls) == count
    (tmp_path / "thalweg" / "completion.json").write_text("[1")
    completion.described()
    assert len(calls) == 3


@pytest.mark.parametrize("shell", ["bash"])
def test_the_script_for_a_shell_is_shown(shell: str) -> None:
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(
        [SCRIPT, "--show-completion", shell],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_THALWEG_COMPLETE=complete_" + shell in done.stdout
    assert "thalweg" in done.stdout
