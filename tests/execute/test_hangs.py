"""A user's optimizer that never comes back."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from thalweg import InputError, Results
from thalweg.store import Store


def write(write_study: Callable[..., Path]) -> Path:
    arms = {"good": {}, "hangs": {"optimizer": {"hangs": True}}}
    optimizer = {"name": "strangers:Hanging", "lr": 0.1}
    return write_study(study={"name": "study", "seeds": 1}, optimizer=optimizer, arms=arms)


@pytest.mark.slow
def test_a_worker_that_gives_no_sign_is_ended_and_its_run_fails(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    study = write(write_study)
    monkeypatch.setenv("THALWEG_STALLED_AFTER", "soon")
    with pytest.raises(InputError, match=r"^THALWEG_STALLED_AFTER = 'soon': must be a number of"):
        run_here(study, tmp_path / "out")
    monkeypatch.setenv("THALWEG_STALLED_AFTER", "5")
    results = run_here(study, tmp_path / "out")
    rows = {row["arm"]: row for row in results.frame().to_dicts()}
    reason = "its process gave no sign of life for too long; tried twice"
    assert results.failed == {rows["hangs"]["run"]: reason}
    assert rows["good"]["status"] == "done"
    assert "strangers.py" in capfd.readouterr().err  # where it hung


def test_ctrl_c_ends_a_command_whose_workers_take_no_notice(
    tmp_path: Path, write_study: Callable[..., Path], start: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    driver = start(write(write_study), out, 2)
    driver.wait_until(lambda: any(out.glob("runs/*/final.safetensors")))
    time.sleep(1)
    workers = driver.workers()
    os.kill(driver.process.pid, signal.SIGINT)
    _, errors = driver.process.communicate(timeout=60)
    assert errors.strip().endswith("KeyboardInterrupt")
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
    assert sorted(run.status()["status"] for run in Store(out).runs()) == ["done", "running"]
