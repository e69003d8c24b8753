"""Workers that die: really killed, by a user's optimizer or from outside."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thalweg import Results, ThalwegError, load_study
from thalweg.execute import Resources, plan_cohorts, pool
from thalweg.execute.execution import use_threads
from thalweg.execute.train_cohort import train_cohort
from thalweg.native import available
from thalweg.store import Store

STEPS = 2 * 18  # two epochs of 1150 examples in batches of 64
KILLED = "its process was killed by signal 9 (SIGKILL), perhaps for memory; tried twice"


def write(write_study: Callable[..., Path], kills: str) -> Path:
    """Write a study of four runs, of which the last kills; two workers get two runs each."""
    optimizer = {"name": "strangers:Killing"}
    arms = {
        f"lr{i}": {"optimizer": {"lr": 0.1 / 2**i, "kills": kills if i == 3 else "never"}}
        for i in range(4)
    }
    return write_study(study={"name": "study", "seeds": 1}, optimizer=optimizer, arms=arms)


def undisturbed(study: Path, out: Path, backend: str) -> dict[str, bytes]:
    """Train a study here, as two workers would, and return the weights of its runs."""
    store = Store(out, create=True)
    resources = Resources("cpu", 2, 1, backend=backend)
    with use_threads(1):
        for cohort in plan_cohorts(load_study(study).plan.specs, store, resources):
            assert len(cohort.specs) == 2
            train_cohort(cohort.specs, cohort.plan, store, resources, lambda event: None)
    return finals(store)


def finals(store: Store) -> dict[str, bytes]:
    return {run.id: run.weights_path.read_bytes() for run in store.runs() if run.is_complete()}


def lines(log: Path) -> Counter[float]:
    return Counter(map(float, log.read_text().split()))


def test_a_worker_that_is_killed_once_costs_a_retry_and_no_bit(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = write(write_study, "once")
    expected = undisturbed(study, tmp_path / "whole", "autograd")
    monkeypatch.setenv("THALWEG_TEST_KILLS", str(tmp_path))
    results = run_here(study, tmp_path / "out", 2, backend="autograd")
    assert lines(tmp_path / "kills") == {0.1 / 8: 1}
    assert results.failed == {}
    assert finals(results.store) == expected
    steps = lines(tmp_path / "steps")
    assert [steps[0.1 / 2**i] - STEPS for i in range(4)] == [0, 0, 10, 10]
    assert {run.status()["rows"] for run in results.store.runs()} == {2}


def test_a_run_that_always_kills_its_worker_fails_and_no_other_does(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = write(write_study, "always")
    expected = undisturbed(study, tmp_path / "whole", "auto")
    monkeypatch.setenv("THALWEG_TEST_KILLS", str(tmp_path))
    results = run_here(study, tmp_path / "out", 2)
    arms = {row["arm"]: row["run"] for row in results.frame().to_dicts()}
    assert lines(tmp_path / "kills") == {0.1 / 8: 4}  # twice with its mate, twice alone
    assert results.failed == {arms["lr3"]: KILLED}
    assert results.store.run(arms["lr3"]).status()["message"] == KILLED
    steps = lines(tmp_path / "steps")
    assert [steps[0.1 / 2**i] - STEPS for i in range(3)] == [0, 0, 20]
    rows = {arm: results.store.run(arms[arm]).status().get("rows") for arm in arms}
    assert rows == {"lr0": 2, "lr1": 2, "lr2": 1, "lr3": None}
    del expected[arms["lr3"]]
    if available():  # stacked, a row's last bits may depend on its company
        assert finals(results.store) == expected


def test_a_complete_run_that_kills_its_worker_when_it_is_watched_stays_complete(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table: dict[str, Any] = {
        "study": {"name": "study", "seeds": 1},
        "optimizer": {"name": "strangers:Killing"},
        "arms": {
            "good": {"optimizer": {"lr": 0.1}},
            "bad": {"optimizer": {"lr": 0.05, "kills": "always"}},
        },
    }
    before = finals(run_here(write_study(**table), tmp_path / "out").store)
    watched = write_study(**table, probes=[{"name": "dynamics", "when": "every:9"}])
    monkeypatch.setenv("THALWEG_TEST_KILLS", str(tmp_path))
    results = run_here(watched, tmp_path / "out", 2)
    arms = {row["arm"]: row["run"] for row in results.frame().to_dicts()}
    assert lines(tmp_path / "kills") == {0.05: 2}
    assert results.failed == {arms["bad"]: KILLED}
    assert finals(results.store) == before
    assert set(results.series()["run"]) == {arms["good"]}


@pytest.mark.parametrize("left", [pytest.param("failed", marks=pytest.mark.slow), "running"])
def test_a_run_that_did_not_end_is_tried_again_in_a_process_of_its_own(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    left: str,
) -> None:
    """One run alone is trained by the command itself, which it might end."""
    log = tmp_path / "log"
    study = write_study(
        study={"name": "study", "seeds": 1}, model={"name": "strangers:Slow", "log": str(log)}
    )
    (spec,) = load_study(study).plan.specs
    run = Store(tmp_path / "out", create=True).run(spec.id)
    run.begin(spec.canonical(), [spec.id])
    if left == "failed":
        run.fail(KILLED, "")
    assert run_here(study, tmp_path / "out", 2).failed == {}
    assert run.is_complete()
    (process,) = set(log.read_text().split())
    assert int(process) != os.getpid()


def test_workers_that_end_before_they_are_ready_are_replaced(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dying = f"""
import os, signal
with open({str(tmp_path / "starts")!r}, "a+") as starts:
    starts.write("x")
    starts.flush()
    if starts.tell() <= 2:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    monkeypatch.setattr(pool, "_START", dying + pool._START)
    results = run_here(write(write_study, "never"), tmp_path / "out", 2)
    assert results.failed == {}
    assert (tmp_path / "starts").read_text() == "xxxx"


def test_workers_that_cannot_start_are_a_sentence(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "_START", "raise SystemExit(3)")
    reason = "no worker can be started: before it was ready, its process ended with exit status 3"
    with pytest.raises(ThalwegError, match=f"^{reason}$"):
        run_here(write(write_study, "never"), tmp_path / "out", 2)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (7, "its process ended with exit status 7"),
        (-11, "its process was killed by signal 11 (SIGSEGV)"),
        (-9, "its process was killed by signal 9 (SIGKILL), perhaps for memory"),
        (-40, "its process was killed by signal 40"),
    ],
)
def test_an_end_is_told_in_a_sentence(status: int, sentence: str) -> None:
    assert pool.describe_end(status) == sentence
