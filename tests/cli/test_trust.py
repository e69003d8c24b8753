"""A study from a stranger imports nothing, by whatever command, unless the user says so."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import thalweg as tw
from thalweg import registry
from thalweg.errors import TrustError
from thalweg.registry import trusting
from thalweg.spec import RunSpec

STRANGER = """
from pathlib import Path
import torch
from torch import nn

Path({flag!r}).touch()


def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


class Descent(torch.optim.SGD):
    pass
"""

STUDY = """
[study]
name = "strange"
seeds = 2
[task]
name = "digits"
[model]
name = "stranger:net"
[optimizer]
name = "sgd"
lr = 0.1
[train]
epochs = 1
"""

OWN = STUDY.replace('"stranger:net"', '"mlp"')
SAM = 'optimizer = { name = "pytorch_optimizer:SAM", base_optimizer = "stranger:Descent" }\n'
STUDIES = {
    "model": STUDY,
    "task": OWN.replace('"digits"', '"stranger:net"'),
    "optimizer": OWN.replace('"sgd"', '"stranger:Descent"'),
    "arm": OWN + '[arms.mine]\noptimizer = { name = "stranger:Descent", lr = 0.1 }\n',
    "preset": OWN + '[presets.quick]\nmodel = "stranger:net"\n',
    "wrapped": OWN + f"[arms.sam]\n{SAM}",
    "criterion": OWN + '[sparsity]\nname = "imp"\nkeep = [0.5]\ncriterion = "stranger:net"\n',
    "criterion of one shot": OWN
    + '[sparsity]\nname = "one_shot"\nkeep = 0.5\ncriterion = { name = "stranger:net" }\n',
    "probe": OWN + '[[probes]]\nname = "stranger:net"\n',
    "standard library": OWN.replace('"mlp"', '"os:system"\ncommand = "touch FLAG"'),
    "of PyTorch": OWN.replace('"mlp"', '"torch:load"\nf = "FLAG"'),
    "beside its optimizers": OWN.replace('"mlp"', '"torch.optim:lr_scheduler"'),
    "search": OWN.replace('"sgd"\nlr = 0.1', '["sgd", "stranger:Descent"]\nlr = 0.1'),
}


@pytest.fixture
def flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that appears when the stranger's module is imported."""
    monkeypatch.setattr(registry, "_trusted", set())
    flag = tmp_path / "imported"
    (tmp_path / "stranger.py").write_text(STRANGER.format(flag=str(flag)))
    for name, study in STUDIES.items():
        (tmp_path / f"{name}.toml").write_text(study.replace("FLAG", str(flag)))
    yield flag
    sys.modules.pop("stranger", None)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_that_names_code_is_refused(
    thalweg: Callable[..., Any], flag: Path, tmp_path: Path, name: str
) -> None:
    preset = ["--preset", "quick"] if name == "preset" else []
    for command in (
        ["run", f"{name}.toml", *preset],
        ["run", f"{name}.toml", *preset, "--dry-run"],
        ["audit", f"{name}.toml", *preset],
    ):
        done = thalweg(*command)
        assert (done.status, done.stdout) == (2, ""), done
        assert done.stderr.count("\n") == 1
        if name != "search":  # a name is no grid, whatever stands in it
            assert "--trust" in done.stderr
            kinds = ("model = ", "task = ", "optimizer", "sparsity.criterion = ", "probe = ")
            assert any(kind in done.stderr for kind in kinds)
        assert not flag.exists()
        assert not (tmp_path / "thalweg-out").exists()
        assert str(tmp_path) not in sys.path


def test_what_is_refused_is_named(thalweg: Callable[..., Any], flag: Path) -> None:
    sentences = {
        "model": "model = 'stranger:net'",
        "arm": "arm 'mine': optimizer = 'stranger:Descent'",
        "wrapped": "arm 'sam': optimizer.base_optimizer = 'stranger:Descent'",
    }
    for name, beginning in sentences.items():
        done = thalweg("run", f"{name}.toml")
        assert done.stderr == (
            f"thalweg: {beginning}: would import the module 'stranger', which is no part of "
            "Thalweg and may do anything; give --trust (in Python: with thalweg.trusting()) if "
            "you trust it\n"
        )
    assert not flag.exists()


def test_a_store_whose_runs_name_code_is_refused(
    thalweg: Callable[..., Any], script: Callable[..., Any], flag: Path, tmp_path: Path
) -> None:
    done = script("run", "model.toml", "--trust", "--jobs", 1, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (run["id"] for run in json.loads(done.stdout)["runs"])
    flag.unlink()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    commands = (
        ["run", "model.toml"],
        ["report", "strange"],
        ["report", "--to", "markdown"],
        ["audit", "thalweg-out"],
        ["audit", "strange", "--out", "thalweg-out", "--rerun", 1],
        ["measure", first],
        ["connect", first, second],
        ["export", first, "--to", "exported"],
        ["export", "--study", "strange"],
    )
    for command in commands:
        done = thalweg(*command)
        assert (done.status, done.stdout) == (2, ""), done
        assert "model = 'stranger:net': would import the module 'stranger'" in done.stderr
        assert not flag.exists()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    for command in (["show"], ["query", "select count(*) from runs"], ["verify"], ["compare"]):
        thalweg(*command)
        assert not flag.exists()
    for command in (["report", "strange"], ["measure", first, "--probe", "weights"]):
        done = thalweg(*command, "--trust")
        assert done.status == 0, done
    assert flag.exists()


def test_what_is_typed_is_ones_own(thalweg: Callable[..., Any], flag: Path) -> None:
    done = thalweg("train", "stranger:net", "digits", "--epochs", 1, "--lr", 0.1, "--dry-run")
    assert done.status == 0, done
    assert flag.exists()


def test_nothing_is_imported_from_the_folder_of_a_study(
    thalweg: Callable[..., Any], flag: Path, tmp_path: Path
) -> None:
    """Not even under the name of a package that is looked for where a study asks for it."""
    (tmp_path / "optuna.py").write_text(f"open({str(flag)!r}, 'w')")
    (tmp_path / "own.toml").write_text(OWN)
    done = thalweg("run", "own.toml", "--dry-run")
    assert done.status == 0, done
    assert str(tmp_path) not in sys.path


def test_import_runs_nothing_of_what_it_finds(
    thalweg: Callable[..., Any], flag: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for path in tmp_path.glob("*.*"):
        path.rename(theirs / path.name)
    metrics = "epoch,train_loss,test_loss\n1,0.5,0.6\n2,0.4,0.5\n"
    (theirs / "stranger:net_seed0_training_metrics.csv").write_text(metrics)
    done = thalweg("import", theirs, "--study", "theirs")
    assert done.status == 0, done
    assert not flag.exists()


def test_python_trusts_what_it_made_and_no_file(
    flag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    with trusting(False):
        with pytest.raises(TrustError, match="would import the module 'stranger'"):
            tw.load_study(tmp_path / "model.toml")
        assert not flag.exists()
        table = tw.load_study(tmp_path / "model.toml", trust=True).plan.specs[0].canonical()
        assert flag.exists()
        with pytest.raises(TrustError, match=r"model = 'os:system'"):
            RunSpec.parse({**table, "model": "os:system"})
        with tw.trusting():
            assert RunSpec.parse(table).canonical() == table
