"""A worker process: reads cohorts as JSON lines, trains them, writes events as JSON lines.

A plain subprocess, and not a ``multiprocessing`` pool: nothing is pickled, the caller's
``__main__`` is not imported again, and a worker learns of its parent's death, however sudden, by
the end of its standard input.
"""

import json
import os
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import torch

from thalweg.cohort.planner import Plan
from thalweg.errors import ThalwegError
from thalweg.execute.options import Resources
from thalweg.execute.train_cohort import train_cohort
from thalweg.execute.wanted import Leaving
from thalweg.registry import trusting
from thalweg.spec import RunSpec
from thalweg.store import Store


def _read_jobs(source: IO[str], jobs: "SimpleQueue[str]") -> None:
    for line in source:
        jobs.put(line)
    os._exit(0)  # the parent is gone or wants no more; checkpoints are whole at any moment


def main() -> None:
    """Serve the parent until its end of the pipe closes."""
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a user's code prints must not mix with the events
    start = json.loads(sys.stdin.readline())
    data = Path(start["data"]) if start["data"] else None
    resources = Resources(start["device"], start["jobs"], start["threads"], data, start["backend"])
    torch.set_num_threads(resources.threads)
    store = Store(Path(start["store"]))
    jobs: SimpleQueue[str] = SimpleQueue()
    threading.Thread(target=_read_jobs, args=(sys.stdin, jobs), daemon=True).start()

    def tell(event: dict[str, Any]) -> None:
        try:
            events.write(json.dumps(event) + "\n")
        except BrokenPipeError:
            os._exit(0)  # the parent is gone, which is no fault of the runs in training

    tell({"event": "ready"})
    while True:
        job = json.loads(jobs.get())
        with trusting():  # the parent has asked the user
            specs = [RunSpec.parse(spec) for spec in job["specs"]]
        try:
            wanted = {run_id: Leaving.parse(values) for run_id, values in job["wanted"].items()}
            fitted = train_cohort(specs, Plan(**job["plan"]), store, resources, tell, wanted)
        except ThalwegError as error:
            tell({"event": "error", "message": str(error)})
        else:
            tell({"event": "end" if fitted else "too large"})
