"""What worker processes gain, and what handing them work costs.

Cohorts that fill a core, LeNet-5 on the digits for about a second each: how many a second two
workers train against one, and two commands side by side, each with half of the work. Then one
worker against training in the command itself: the difference is the scheduling (pipes, locks,
events). The rates leave out the start of the processes and the first cohort of each, which loads
the data.
"""

import argparse
import os
import tempfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.harness import machine, spread
from thalweg.execute import CohortPlan, Progress, Resources, execute
from thalweg.execute.stall import VARIABLE
from thalweg.spec import RunSpec
from thalweg.store import Store

KINDS = ("in the command", "one worker", "two workers", "two commands")


class Clock(Progress):
    """Notes when each worker has ended its cohorts."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.ends: dict[int, list[float]] = defaultdict(list)

    def end(self, worker: int, cohort: CohortPlan) -> None:
        super().end(worker, cohort)
        self.ends[worker].append(perf_counter())

    def rate(self) -> float:
        """Return cohorts a second, summed over the workers."""
        return sum((len(t) - 1) / (t[-1] - t[0]) for t in self.ends.values() if len(t) > 1)


def specs(count: int, epochs: int) -> list[RunSpec]:
    """Return runs of which no two can share a cohort."""
    table: dict[str, Any] = {
        "task": {"name": "digits", "size": 28},
        "model": {"name": "lenet5"},
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
    }
    train = {"epochs": epochs, "batch_size": 64, "evaluate_every": epochs}
    return [
        RunSpec.parse({**table, "train": {**train, "label_smoothing": (i + 1) / 1000}})
        for i in range(count)
    ]


def rate(jobs: int, in_workers: bool, count: int, epochs: int) -> float:
    """Return cohorts a second of a command with so many processes of one thread."""
    if in_workers:
        os.environ[VARIABLE] = "1000000"  # by which even one process is a worker
    clock = Clock()
    with tempfile.TemporaryDirectory() as out:
        resources = Resources("cpu", jobs, 1)
        outcome = execute(specs(count, epochs), Store(Path(out), create=True), resources, clock)
    assert len(outcome.trained) == count
    return clock.rate()


def measure(kind: str, count: int, epochs: int) -> float:
    commands = 2 if kind == "two commands" else 1
    jobs = 2 if kind == "two workers" else 1
    in_workers = kind.endswith(("worker", "workers"))
    with ProcessPoolExecutor(commands, mp_context=get_context("spawn")) as pool:
        # The first of each is left out.
        each = jobs + max(2, count // commands)
        calls = [pool.submit(rate, jobs, in_workers, each, epochs) for _ in range(commands)]
        return sum(call.result() for call in calls)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cohorts", type=int, default=16, help="of each measurement")
    parser.add_argument("--epochs", type=int, default=32, help="of each run; about a second")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(arguments.rounds):
        for kind in KINDS:
            rates[kind].append(measure(kind, arguments.cohorts, arguments.epochs))
    print(f"{machine()}; load at the start {load:.1f}\n")
    print("| | cohorts a second, median | of one worker (min–max) |\n|---|--:|--:|")
    for kind in KINDS:
        low, middle, high = spread(
            [r / one for r, one in zip(rates[kind], rates["one worker"], strict=True)]
        )
        print(f"| {kind} | {median(rates[kind]):.3f} | {middle:.3f} ({low:.3f}–{high:.3f}) |")
    pairs = zip(rates["in the command"], rates["one worker"], strict=True)
    low, middle, high = spread([100 * (1 - worker / here) for here, worker in pairs])
    print(f"\nscheduling: {middle:.1f} % ({low:.1f}–{high:.1f}) of the time of a worker")


if __name__ == "__main__":
    main()
