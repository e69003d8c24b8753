"""compare, power, and runs whose seeds are added until comparisons are resolved."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import RATES
from tests.store.checksums import renew_checksums

from thalweg import api
from thalweg.store import Store
from thalweg.study import build_study, record_study

UNTIL = ["--until-resolved", "--max-seeds", 8, "--jobs", 1]


def test_compare_prints_a_sentence_a_pair(thalweg: Callable[..., Any], rates: Path) -> None:
    asked = ("slow", "quick", "--study", "rates", "--metric", "test_accuracy", "--out", rates)
    done = thalweg("compare", *asked)
    assert done.status == 0, done
    assert "slow is " in done.stdout and "points below quick (paired, 3 seeds, " in done.stdout
    found = json.loads(thalweg("compare", *asked, "--json").stdout)
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"], pair["seeds"]) == ("slow", "quick", 3)
    assert pair["low"] < pair["mean"] < pair["high"] and pair["mean"] < 0
    assert pair["verdict"] in done.stdout
    same = api.Results("rates", Store(rates), {}).compare("slow", "quick")
    assert same.interval == pytest.approx((pair["low"], pair["high"]))
    assert same.verdict == pair["verdict"]


def test_compare_tells_the_cost_of_a_target(thalweg: Callable[..., Any], rates: Path) -> None:
    done = thalweg("compare", "--target", "quick", "--out", rates)
    assert done.status == 0 and "restricted mean" in done.stdout
    found = json.loads(thalweg("compare", "--target", 0.11, "--out", rates, "--json").stdout)
    assert {cost["unit"] for cost in found["costs"]} >= {"epochs", "steps", "seconds"}


def test_power_tells_the_seeds(thalweg: Callable[..., Any], rates: Path) -> None:
    asked = ("power", "--effect", 0.2, "--arms", "quick", "slow", "--out", rates)
    done = thalweg(*asked)
    assert done.status == 0 and "seeds resolve 0.2 points with probability 0.8" in done.stdout
    found = json.loads(thalweg(*asked, "--json").stdout)
    assert found["effect"] == pytest.approx(0.002)
    assert found["pairs"][0]["fewest"] <= found["pairs"][0]["seeds"]


WRONG = [
    ("compare quick slow --metric test_acuracy", "did you mean 'test_accuracy'?"),
    ("compare quick slwo", "did you mean 'slow'?"),
    ("compare quick", "it takes two"),
    ("compare --study rate", "did you mean 'rates'?"),
    ("compare --target fast", "--target: unknown arm 'fast'"),
    ("compare --target 85", "--target.test_accuracy"),
    ("power --effect 0", "--effect 0: must be a number above 0"),
    ("power --effect much", "--effect 'much': must be a number"),
    ("power --effect 1 --power 1", "--power 1: must be above 0 and below 1"),
]


@pytest.mark.parametrize(("command", "said"), WRONG)
def test_one_sentence_for_what_is_wrong(
    thalweg: Callable[..., Any], rates: Path, command: str, said: str
) -> None:
    _refused(thalweg(*command.split(), "--out", rates), said)


def test_what_cannot_be_compared(thalweg: Callable[..., Any], rates: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    _refused(thalweg("compare", "--out", tmp_path / "other"), "is no results folder")
    table = {
        "study": {"name": "empty"},
        "task": {"name": "digits"},
        "model": {"name": "mlp"},
        "train": {"epochs": 1},
        "arms": {"a": {"optimizer": {"name": "sgd", "lr": 1.0}}, "b": {"optimizer": "adam"}},
    }
    record_study(build_study(table), Store(tmp_path / "new", create=True), "")
    _refused(thalweg("compare", "--out", tmp_path / "new"), "'empty': has no complete run yet")
    copy = tmp_path / "copy"
    shutil.copytree(rates, copy)
    path = copy / "studies" / "rates" / "study.json"
    record = json.loads(path.read_text())
    for run in record["runs"]:
        run["seed"] += 10 * (run["arm"] == "slow")
    path.write_text(json.dumps(record))
    renew_checksums(copy)
    _refused(thalweg("compare", "--out", copy), "have no seed in common on digits")


def test_seeds_are_added_until_resolved(
    thalweg: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two arms that differ, and one that is the first but for its name: its comparisons stay open
    for as long as seeds are to be had."""
    study = tmp_path / "rates.toml"
    study.write_text(RATES + '[arms.same]\noptimizer = { name = "sgd", lr = 0.2001 }\n')
    stopped = thalweg("run", study, *UNTIL, "--max-seeds", 5)
    assert stopped.status == 0, stopped
    record = tmp_path / "thalweg-out" / "studies" / "rates" / "study.json"
    told = json.loads(record.read_text())["sequential"]
    assert (told["looks"], told["max_seeds"]) == ([5], 5) and "most allowed" in told["stop"]
    assert "95 % sequential interval" in stopped.stdout
    _refused(thalweg("run", study, *UNTIL), "--max-seeds 8: must stay 5")
    # Killed before the second look, and begun again.
    named = ["--set", "study.name=killed"]
    recorded: list[object] = []

    def kill_at_second_look(*args: Any) -> None:
        recorded.append(args)
        if len(recorded) == 3:
            raise KeyboardInterrupt
        record_study(*args)

    with monkeypatch.context() as patched:
        patched.setattr(api, "record_study", kill_at_second_look)
        assert thalweg("run", study, *UNTIL, *named).status == 130
    before = _written(tmp_path)
    done = thalweg("run", study, *UNTIL, *named, "--json")
    assert done.status == 0, done
    after = _written(tmp_path)
    assert len(after) > len(before)
    assert {path: after[path] for path in before} == before  # nothing was trained again
    record = record.parent.parent / "killed" / "study.json"
    told = json.loads(record.read_text())
    assert told["sequential"]["looks"] == [5, 8]
    seeds = {arm: sum(r["arm"] == arm for r in told["runs"]) for arm in ("quick", "slow", "same")}
    assert seeds["quick"] == seeds["same"] == 8 and seeds["slow"] == 5
    pairs = json.loads(thalweg("compare", "--study", "killed", "--json").stdout)["pairs"]
    assert all(pair["sequential"] for pair in pairs)
    assert {(p["first"], p["second"]): p["resolved"] for p in pairs} == {
        ("quick", "slow"): True,
        ("quick", "same"): False,
        ("slow", "same"): True,
    }


def test_a_final_is_trained_on_fresh_seeds(thalweg: Callable[..., Any], tmp_path: Path) -> None:
    study = tmp_path / "rates.toml"
    grid = RATES.replace("lr = 0.2 ", "lr = [1e-4, 0.2] ")
    study.write_text(f"{grid}[protocol]\nfinal_seeds = 2\ntuning = 4\n")
    done = thalweg("run", study, "--jobs", 1, "--json")
    assert done.status == 0, done
    found = json.loads(done.stdout)
    assert found["study"] == "rates" and found["final"]["study"] == "rates-final"
    runs = found["final"]["runs"]
    assert sorted((r["arm"], r["seed"]) for r in runs) == [
        ("quick", 2),
        ("quick", 3),
        ("slow", 2),
        ("slow", 3),
    ]
    assert {r["hyperparameters"]["lr"] for r in runs if r["arm"] == "quick"} == {0.2}
    _refused(thalweg("run", study, "--max-seeds", 8), "must be left out without --until-resolved")


def _refused(done: Any, said: str) -> None:
    assert done.status == 2 and said in done.stderr, done
    assert done.stderr.startswith("thalweg: ") and done.stderr.count("\n") == 1, done


def _written(folder: Path) -> dict[Path, int]:
    """When the runs' files were written."""
    runs = folder / "thalweg-out" / "runs"
    return {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
