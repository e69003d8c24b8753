"""Pools of workers, and the one of processes on this machine."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from thalweg.cohort.planner import Plan
from thalweg.execute.grouping import CohortPlan
from thalweg.execute.options import Resources
from thalweg.execute.stall import STALLED
from thalweg.execute.wanted import Wanted
from thalweg.spec import RunSpec

Event = dict[str, Any]

STOP_SECONDS = 5.0
"""So long a worker that is told to end has to do so."""

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from thalweg.execute.worker import main
main()
"""
"""What a worker runs. It imports from the very folders its parent does, from the first import on:
a ``queue.py`` in the working directory must not take the place of Python's."""


class Pool(Protocol):
    """Workers, each of which is handed a cohort when it is idle.

    Attributes:
        events: What workers tell, each by its number: ``ready`` when it is there, ``epoch`` as it
            trains, then ``end``, or ``too large`` for memory; ``error`` where all must stop; and
            ``dead`` when it has died, with ``end``, a clause that says how.
    """

    events: "SimpleQueue[tuple[int, Event]]"

    def submit(self, worker: int, cohort: CohortPlan, wanted: Wanted) -> None:
        """Hand a cohort to an idle worker, with what its runs must leave."""

    def replace(self, worker: int) -> None:
        """Start another worker in the place of one that has died."""

    def stop(self) -> None:
        """End the workers, whatever they are at."""


def job_line(specs: Sequence[RunSpec], plan: Plan, wanted: Wanted) -> str:
    """Return what a worker process is told of a cohort."""
    ids = [spec.id for spec in specs]
    job = {
        "specs": [spec.canonical() for spec in specs],
        "ids": ids,
        "plan": vars(plan),
        "wanted": {i: wanted[i].as_json() for i in ids if i in wanted},
    }
    return json.dumps(job)


class LocalPool:
    """As many processes as there are jobs.

    Args:
        resources: Processes, threads and device.
        store: The results folder.
        cohorts: How many cohorts there are, so that no idle worker is started.
    """

    def __init__(self, resources: Resources, store: Path, cohorts: int) -> None:
        self.events: SimpleQueue[tuple[int, Event]] = SimpleQueue()
        self._resources = resources
        self._store = store
        self._workers = [self._start(index) for index in range(min(resources.jobs, cohorts))]

    def submit(self, worker: int, cohort: CohortPlan, wanted: Wanted) -> None:
        self._workers[worker].write(job_line(cohort.specs, cohort.plan, wanted) + "\n")

    def replace(self, worker: int) -> None:
        self._workers[worker].stop()
        self._workers[worker] = self._start(worker)

    def stop(self) -> None:
        for worker in self._workers:
            worker.stop()

    def _start(self, index: int) -> "_Worker":
        with _interrupts_blocked():
            return _Worker(index, self._resources, self._store, self.events)


def describe_end(status: int, where: str = "") -> str:
    """Return how a worker's process has ended; a negative status is a signal's number."""
    if status == STALLED:
        return f"its process{where} gave no sign of life for too long"
    if status >= 0:
        return f"its process{where} ended with exit status {status}"
    try:
        name = f" ({signal.Signals(-status).name})"
    except ValueError:  # a real-time signal
        name = ""
    perhaps = ", perhaps for memory" if -status == signal.SIGKILL else ""
    return f"its process{where} was killed by signal {-status}{name}{perhaps}"


class _Worker:
    def __init__(
        self,
        index: int,
        resources: Resources,
        store: Path,
        events: "SimpleQueue[tuple[int, Event]]",
    ) -> None:
        threads = str(resources.threads)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, json.dumps(_import_path())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
        )
        self._index = index
        self._events = events
        self.write(
            json.dumps(
                {
                    "store": str(store.resolve()),
                    "data": str(resources.data) if resources.data else None,
                    "device": resources.device,
                    "jobs": resources.jobs,
                    "threads": resources.threads,
                    "backend": resources.backend,
                }
            )
            + "\n"
        )
        self._forwarding = threading.Thread(target=self._forward, daemon=True)
        self._relay = threading.Thread(target=self._pass_on, daemon=True)
        watching = threading.Thread(target=self._watch, daemon=True)
        for thread in (self._forwarding, self._relay, watching):
            thread.start()

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its death arrives as an event

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:  # a user's code that takes no notice
            self._process.kill()
            self._process.wait()
        self._relay.join(timeout=1)  # its last words; a child of its own may hold the pipe open
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def _forward(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines, suppress(ValueError):  # cut off in the midst of a line
            for line in lines:
                self._events.put((self._index, json.loads(line)))

    def _watch(self) -> None:
        """Tell of the process's end, after all that it told itself. Its end is not that of the
        pipe, which a child of its own may hold open.
        """
        status = self._process.wait()
        self._forwarding.join(timeout=1)
        self._events.put((self._index, {"event": "dead", "end": describe_end(status)}))

    def _pass_on(self) -> None:
        """Print what the worker prints: above the progress view, and not into the midst of it."""
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                sys.stderr.write(line)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Start processes that never see Ctrl-C, which is for the parent to handle.

    A blocked signal stays blocked in a child from its first moment; the parent gets its own
    when the block ends.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _import_path() -> Sequence[str]:
    """Return ``sys.path`` with its relative entries made absolute."""
    return [str(Path(entry).resolve()) if entry else str(Path.cwd()) for entry in sys.path]
