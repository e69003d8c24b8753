from pathlib import Path
from typing import Any

import pytest

from thalweg import Study
from thalweg.execute import Progress
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.study import StudyPlan, build_study
from thalweg.study.source import parse_study

BATCH = 3


def table(**search: Any) -> dict[str, Any]:
    return {
        "study": {"name": "search", "seeds": 2},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [4]},
        "optimizer": {"name": "sgd", "lr": "1e-4..1e30:log"},  # the upper half diverges
        "train": {"epochs": 1},
        "arms": {"a": {}, "b": {"optimizer": {"momentum": [0.0, 0.9]}}},
        "search": {"method": "optuna", "trials": 5, "batch": BATCH, **search},
    }


COLUMNS = ("run", "arm", "point", "seed", "status", "validation_accuracy")


def read(out: Path) -> list[dict[str, Any]]:
    return read_results(Store(out), "search").runs.select(COLUMNS).to_dicts()


def train(plan: StudyPlan, out: Path) -> list[dict[str, Any]]:
    """Return what the study's runs are and came to, in their order."""
    results = Study(plan).run(out, jobs=1, progress=Progress(quiet=True))
    assert not results.failed
    return results.frame().select(COLUMNS).to_dicts()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "out"
    train(build_study(table()), folder)
    return folder


def test_rounds_begin_at_random_and_go_on_by_results(out: Path) -> None:
    runs = read(out)
    planned = build_study(table())
    assert planned.spaces["b"].keys() == {"optimizer.lr", "optimizer.momentum"}
    for arm in ("a", "b"):
        found = [run["point"] for run in runs if run["arm"] == arm]
        random = [point.label for point in planned.points if point.arm == arm]
        assert len(found) == 2 * 5 and found[::2] == found[1::2]
        assert found[: 2 * BATCH : 2] == random[:BATCH]
        assert found[2 * BATCH :: 2] != random[BATCH:]
    assert {run["status"] for run in runs} == {"done", "diverged"}


def test_the_record_trains_and_is_found_complete_without_optuna(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (out / "studies" / "search" / "study.toml").read_text()
    monkeypatch.setattr("thalweg.study.tpe.find_spec", lambda name: None)
    before = read(out)
    written = {path: path.stat().st_mtime_ns for path in (out / "runs").glob("*/status.json")}
    assert train(build_study(parse_study(text, "record")), out) == before
    assert written == {p: p.stat().st_mtime_ns for p in (out / "runs").glob("*/status.json")}


def test_a_search_with_more_trials_goes_on_from_what_was_drawn(out: Path, tmp_path: Path) -> None:
    text = (out / "studies" / "search" / "study.toml").read_text()
    begun = {
        arm: trials[:BATCH]
        for arm, trials in parse_study(text, "record")["search"]["drawn"].items()
    }
    more = train(build_study(table(trials=6, drawn=begun)), tmp_path / "on")
    for arm in ("a", "b"):
        of_arm = [run for run in more if run["arm"] == arm]
        assert len(of_arm) == 2 * 6
        assert of_arm[: 2 * 5] == [run for run in read(out) if run["arm"] == arm]
