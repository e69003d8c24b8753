"""Worker processes on this machine, and the events they send."""

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
from typing import Any

from thalweg.execute.grouping import CohortPlan
from thalweg.execute.options import Resources
from thalweg.execute.wanted import Wanted

Event = dict[str, Any]

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from thalweg.execute.worker import main
main()
"""
"""What a worker runs. It imports from the very folders its parent does, from the first import on:
a ``queue.py`` in the working directory must not take the place of Python's."""


class Pool:
    """As many workers as there are jobs; each is handed a cohort when it is idle.

    Args:
        resources: Processes, threads and device.
        store: The results folder.
        cohorts: How many cohorts there are, so that no idle worker is started.
    """

    def __init__(self, resources: Resources, store: Path, cohorts: int) -> None:
        self.events: SimpleQueue[tuple[int, Event]] = SimpleQueue()
        with _interrupts_blocked():
            self._workers = [
                _Worker(index, resources, store, self.events)
                for index in range(min(resources.jobs, cohorts))
            ]

    def __len__(self) -> int:
        return len(self._workers)

    def submit(self, worker: int, cohort: CohortPlan, wanted: Wanted) -> None:
        """Hand a cohort to an idle worker, with what its runs must leave."""
        job = {
            "specs": [spec.canonical() for spec in cohort.specs],
            "plan": vars(cohort.plan),
            "wanted": {i: wanted[i].as_json() for i in cohort.ids if i in wanted},
        }
        self._workers[worker].write(json.dumps(job) + "\n")

    def stop(self) -> None:
        """End the workers, whatever they are at."""
        for worker in self._workers:
            worker.stop()


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
        threading.Thread(target=self._forward, args=(events,), daemon=True).start()
        self._relay = threading.Thread(target=self._pass_on, daemon=True)
        self._relay.start()

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its death arrives as an event

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._relay.join(timeout=1)  # its last words; a child of its own may hold the pipe open
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def _forward(self, events: "SimpleQueue[tuple[int, Event]]") -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                events.put((self._index, json.loads(line)))
        except ValueError:
            pass  # closed by `stop`, or cut off in the middle of a line
        events.put((self._index, {"event": "dead", "status": self._process.wait()}))

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
