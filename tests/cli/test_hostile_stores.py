"""A results folder from a stranger: nothing is written outside of it, by whatever command."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thalweg.cohort.seal import OPEN, seal

COMMANDS = (
    ["export", "--study", "rates"],
    ["export", "--study", "rates", "--to", "exported"],
    ["audit", "HOSTILE"],
    ["measure", "rates/quick/0", "--probe", "weights"],
    ["report", "rates"],
    ["verify", "--repair"],
    ["run", "rates.toml", "--jobs", "1"],
)

STUDY = """
[study]
name = "rates"
seeds = 1
[task]
name = "digits"
[model]
name = "mlp"
widths = [4]
[train]
epochs = 1
[arms.quick]
optimizer = { name = "sgd", lr = 0.2 }
"""

NAMES = ("../../../outside", "/OUTSIDE/absolute", "..", "a/../../../../outside", "~/outside")


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file of a store as someone who knows of its checksum does."""
    value = json.loads(path.read_text())
    value.pop("seal", None)
    change(value)
    text = json.dumps({**value, "seal": OPEN}) + "\n"
    path.write_bytes(seal(text.encode()))


@pytest.fixture
def hostile(rates: Path, tmp_path: Path) -> Path:
    shutil.copytree(rates, tmp_path / "work" / "thalweg-out")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("precious")
    (tmp_path / "work" / "rates.toml").write_text(STUDY)
    return tmp_path / "work" / "thalweg-out"


def all_commands_leave_the_rest_alone(
    thalweg: Callable[..., Any], hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Any]:
    # Figures are written as tables are, and take long to make.
    monkeypatch.setattr("thalweg.report.write.write_figures", lambda charts, folder: None)
    root = hostile.parent.parent
    monkeypatch.chdir(hostile.parent)
    kept = (hostile, hostile.parent / "exported")

    def rest() -> dict[Path, Any]:
        return {
            path: path.read_bytes() if path.is_file() else None
            for path in root.rglob("*")
            if not any(path.is_relative_to(folder) for folder in kept)
        }

    before = rest()
    ended = []
    for command in COMMANDS:
        arguments = [part.replace("HOSTILE", str(hostile)) for part in command]
        done = thalweg(*arguments)
        assert done.status in (0, 1, 2), done
        assert "Traceback" not in done.stderr
        assert rest() == before, command
        ended.append(done)
    return ended


@pytest.mark.parametrize(
    ("key", "name"),
    [
        pytest.param(key, name, marks=[pytest.mark.slow] if i != j else [])
        for i, key in enumerate(("run", "probe", "arm", "name"))
        for j, name in enumerate(NAMES)
    ],
)
def test_names_in_a_record_lead_nowhere(
    thalweg: Callable[..., Any], hostile: Path, monkeypatch: pytest.MonkeyPatch, name: str, key: str
) -> None:
    name = name.replace("/OUTSIDE", str(hostile.parent.parent / "outside"))

    def change(record: dict[str, Any]) -> None:
        if key == "probe":
            record["probes"] = {"hessian": f"{name}.json"}
        elif key == "name":
            record["name"] = name
        else:
            record["runs"][0][key] = name

    rewrite(hostile / "studies" / "rates" / "study.json", change)
    ended = all_commands_leave_the_rest_alone(thalweg, hostile, monkeypatch)
    if key == "run":
        assert ended[0].status == 2
        assert "is no name of anything in it" in ended[0].stderr


@pytest.mark.parametrize(
    "link",
    [
        *("runs", "studies/rates", "studies/rates/exports", "RUN", "RUN/probes"),
        *(
            pytest.param(link, marks=pytest.mark.slow)
            for link in (
                *("studies", "locks", "quarantine", "LOCK", "RUN/status.json"),
                *("studies/rates/report", "studies/rates/tables", "studies/rates/figures"),
                "studies/rates/study.json",
            )
        ),
    ],
)
def test_symbolic_links_lead_nowhere(
    thalweg: Callable[..., Any], hostile: Path, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    run = sorted((hostile / "runs").iterdir())[0].name
    path = hostile / link.replace("RUN", f"runs/{run}").replace("LOCK", f"locks/{run}.lock")
    outside = hostile.parent.parent / "outside"
    if path.exists() and not path.is_symlink():
        if path.is_dir():
            shutil.copytree(path, outside, dirs_exist_ok=True)
            shutil.rmtree(path)
        else:
            shutil.copy(path, outside / path.name)
            path.unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    lonely = path.suffix in (".json", ".lock")
    path.symlink_to(
        outside / (path.name if path.suffix == ".json" else "precious" if lonely else "")
    )
    all_commands_leave_the_rest_alone(thalweg, hostile, monkeypatch)
