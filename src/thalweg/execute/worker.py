"""A worker process: reads cohorts as JSON lines, trains them, writes events as JSON lines.

A plain subprocess, and not a ``multiprocessing`` pool: nothing is pickled, the caller's
``__main__`` is not imported again, and a worker learns of its parent's death, however sudden, by
the end of its standard input.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NoReturn

import torch

from thalweg.cohort.planner import Plan
from thalweg.errors import ThalwegError
from thalweg.execute.options import Resources
from thalweg.execute.stall import Watchdog, stall_limit
from thalweg.execute.train_cohort import train_cohort
from thalweg.execute.wanted import Leaving
from thalweg.registry import trusting
from thalweg.spec import RunSpec
from thalweg.store import Store


class Parent:
    """The process that started this one: lines come from it, events go to it."""

    def __init__(self) -> None:
        self._events = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # whatever a user's code prints must not mix with the events

    def tell(self, event: dict[str, Any]) -> None:
        try:
            self._events.write(json.dumps(event) + "\n")
        except BrokenPipeError:
            os._exit(0)  # the parent is gone, which is no fault of the runs in training

    def read(self) -> Any:
        """Wait for a line and return its JSON."""
        return json.loads(sys.stdin.readline())


def main() -> None:
    """Serve the parent until its end of the pipe closes."""
    parent = Parent()
    start = parent.read()
    data = Path(start["data"]) if start["data"] else None
    resources = Resources(start["device"], start["jobs"], start["threads"], data, start["backend"])
    serve(parent, resources, Store(Path(start["store"])), lambda: None)


def serve(
    parent: Parent, resources: Resources, store: Store, at_end: Callable[[], object]
) -> NoReturn:
    """Train the cohorts that the parent sends, until its end of the pipe closes.

    Args:
        parent: Sends them.
        resources: Where to compute.
        store: Where the runs lie.
        at_end: Called then; the process ends at once behind it.
    """
    torch.set_num_threads(resources.threads)
    jobs: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs, at_end), daemon=True).start()
    watchdog = Watchdog(stall_limit())

    def notify(event: dict[str, Any]) -> None:
        watchdog.sign()
        parent.tell(event)

    parent.tell({"event": "ready"})
    while True:
        watchdog.rest()
        job = json.loads(jobs.get())
        try:
            with trusting():  # the parent has asked the user
                specs = [RunSpec.parse(spec) for spec in job["specs"]]
            _check_same(specs, job["ids"])
            wanted = {run_id: Leaving.parse(values) for run_id, values in job["wanted"].items()}
            fitted = train_cohort(specs, Plan(**job["plan"]), store, resources, notify, wanted)
        except ThalwegError as error:
            parent.tell({"event": "error", "message": str(error)})
        else:
            parent.tell({"event": "end" if fitted else "too large"})


def _check_same(specs: Sequence[RunSpec], ids: Sequence[str]) -> None:
    """Check that specs are what they were for the parent: a user's own code is part of them."""
    for spec, run_id in zip(specs, ids, strict=True):
        if spec.id != run_id:
            raise ThalwegError(
                f"run {run_id}: the code it names is not what it was when the command was given"
            )


def _read_jobs(jobs: "SimpleQueue[str]", at_end: Callable[[], object]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    at_end()
    os._exit(0)  # the parent is gone or wants no more; checkpoints are whole at any moment
