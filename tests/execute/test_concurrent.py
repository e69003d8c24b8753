from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thalweg.store import Store

STEPS = 18  # an epoch of 1150 examples in batches of 64


def pids(log: Path) -> Counter[str]:
    """Count the training steps of each process."""
    return Counter(log.read_text().split()) if log.exists() else Counter()


def test_two_at_once_share_the_work_and_train_nothing_twice(
    tmp_path: Path, write_study: Callable[..., Path], start: Callable[..., Any]
) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    arms = {
        f"lr{i}": {"optimizer": {"lr": 0.1 / 2**i}, "train": {"epochs": 2 + i}} for i in range(4)
    }
    study = write_study(
        study={"name": "study", "seeds": 1},
        model={"name": "strangers:Slow", "pause": 0.06, "log": str(log)},
        arms=arms,
    )
    drivers = [start(study, out, 1) for _ in range(2)]
    assert [driver.finish() for driver in drivers] == [{}, {}]
    assert len(list(Store(out).runs())) == 4
    assert all(run.is_complete() for run in Store(out).runs())
    assert sum(pids(log).values()) == STEPS * (2 + 3 + 4 + 5)
    assert len(pids(log)) == 2, "one of the two did all the work"


@pytest.mark.slow
def test_the_other_finishes_when_one_is_killed(
    tmp_path: Path, write_study: Callable[..., Path], start: Callable[..., Any]
) -> None:
    log, out = tmp_path / "log", tmp_path / "out"
    study = write_study(
        model={"name": "strangers:Slow", "pause": 0.06, "log": str(log)},
        train={"epochs": 6, "batch_size": 64},
    )
    first = start(study, out, 1)
    first.wait_until(lambda: pids(log))
    second = start(study, out, 1)  # finds both runs taken, and waits
    first.wait_until(lambda: pids(log).total() > 3.5 * STEPS)
    first.kill_all()
    assert second.finish() == {}
    assert [run.status()["status"] for run in Store(out).runs()] == ["done", "done"]
    resumed = pids(log)[str(second.process.pid)]  # both runs are one cohort
    assert STEPS * 3 <= resumed < STEPS * 6
    assert resumed % STEPS == 0
