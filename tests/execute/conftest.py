import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psutil
import pytest
import tomli_w

from thalweg import Results, load_study
from thalweg.execute import Progress

DRIVER = """
import json, os, random, sys
study, out, jobs, backend = json.loads(sys.argv[1])
if jobs == 1:  # one core, so one thread: threads that wait crawl where all cores are busy
    os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})
import thalweg
from thalweg.execute import Progress
results = thalweg.load_study(study, trust=True).run(
    out, jobs, progress=Progress(quiet=True), backend=backend
)
print(json.dumps(results.failed))
"""
"""A user's script: without a ``__main__`` guard, on purpose."""

Table = dict[str, Any]


class Driver:
    """A process that runs a study, in a process group of its own together with its workers."""

    def __init__(self, study: Path, out: Path, jobs: int, backend: str) -> None:
        self.store = out
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, json.dumps([str(study), str(out), jobs, backend])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
            start_new_session=True,
        )

    def finish(self) -> dict[str, str]:
        """Wait for the end and return the failures by run."""
        output, errors = self.process.communicate(timeout=240)
        assert self.process.returncode == 0, errors
        assert errors == ""
        failed: dict[str, str] = json.loads(output)
        return failed

    def error(self) -> str:
        """Wait for an end by an exception and return the last line it printed."""
        _, errors = self.process.communicate(timeout=240)
        assert self.process.returncode == 1, errors
        return errors.strip().splitlines()[-1]

    def wait_until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 240
        while not condition():
            if self.process.poll() is not None:
                raise AssertionError(f"ended too soon: {self.process.communicate()}")
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def kill(self) -> None:
        """Kill the process alone."""
        self.process.kill()
        self.process.communicate()

    def kill_all(self) -> None:
        """Kill the process and its workers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def start() -> Iterator[Callable[..., Driver]]:
    """Give a function that starts a `Driver`; whatever still runs at the end is killed."""
    drivers: list[Driver] = []

    def begin(study: Path, out: Path, jobs: int, backend: str = "auto") -> Driver:
        drivers.append(Driver(study, out, jobs, backend))
        return drivers[-1]

    yield begin
    for driver in drivers:
        if driver.process.poll() is None:
            driver.kill_all()


@contextmanager
def one_core() -> Iterator[None]:
    """Train on one core: threads that wait for one another crawl where all cores are busy."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(before))})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Results]:
    """Give a function that runs a study in this process, and its workers if there are more jobs."""
    monkeypatch.syspath_prepend(Path(__file__).parent)

    def run(
        study: Path,
        out: Path,
        jobs: int = 1,
        backend: str = "auto",
        seeds: int | None = None,
        progress: Progress | None = None,
    ) -> Results:
        with one_core() if jobs == 1 else nullcontext():
            loaded = load_study(study, seeds=seeds)
            progress = progress or Progress(quiet=True)
            return loaded.run(out, jobs, progress=progress, backend=backend)

    return run


@pytest.fixture
def write_study(tmp_path: Path) -> Callable[..., Path]:
    """Give a function that writes a study file; what is not given is small and quick."""

    def write(name: str = "study", **sections: Any) -> Path:
        table: Table = {
            "study": {"name": name, "seeds": 2},
            "task": {"name": "digits"},
            "model": {"name": "mlp", "widths": [16]},
            "optimizer": {"name": "sgd", "lr": 0.1},
            "train": {"epochs": 2, "batch_size": 64},
        }
        path = tmp_path / f"{name}.toml"
        path.write_text(tomli_w.dumps(table | sections))
        return path

    return write
