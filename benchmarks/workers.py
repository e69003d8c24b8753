"""What worker processes gain, and what handing them work costs.

Cohorts that fill a core, LeNet-5 on the digits for about a second each: how many a second two
workers train against one, and two commands side by side, each with half of the work. Then the
share of the time that is no training, by the runs' own clocks, of one worker and of training in
the command itself: the difference is the scheduling (pipes, locks, events). All leaves out the
start of the processes and the first cohort of each, which loads the data.
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
    """Notes when each worker has ended its cohorts, which are of one run each."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.ends: dict[int, dict[str, float]] = defaultdict(dict)

    def end(self, worker: int, cohort: CohortPlan) -> None:
        super().end(worker, cohort)
        self.ends[worker][cohort.specs[0].id] = perf_counter()

    def workers(self) -> list[tuple[float, list[str]]]:
        """Return of each worker the seconds since its first cohort ended, and the runs since."""
        times = [list(ends.values()) for ends in self.ends.values()]
        runs = [list(ends) for ends in self.ends.values()]
        return [(t[-1] - t[0], r[1:]) for t, r in zip(times, runs, strict=True) if len(t) > 1]


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


def work(jobs: int, in_workers: bool, count: int, epochs: int) -> tuple[float, float]:
    """Return cohorts a second of a command with so many processes of one thread, and the share of
    their time in which they did not train.
    """
    if in_workers:
        os.environ[VARIABLE] = "1000000"  # by which even one process is a worker
    clock = Clock()
    with tempfile.TemporaryDirectory() as out:
        resources = Resources("cpu", jobs, 1)
        store = Store(Path(out), create=True)
        outcome = execute(specs(count, epochs), store, resources, clock)
        seconds = {run.id: float(run.status()["seconds"]) for run in store.runs()}
    assert len(outcome.trained) == count
    workers = clock.workers()
    trained = sum(seconds[run] for _, runs in workers for run in runs)
    return (
        sum(len(runs) / passed for passed, runs in workers),
        1 - trained / sum(passed for passed, _ in workers),
    )


def measure(kind: str, count: int, epochs: int) -> tuple[float, float]:
    """Return cohorts a second in all, and the mean share of the time that is no training."""
    commands = 2 if kind == "two commands" else 1
    jobs = 2 if kind == "two workers" else 1
    in_workers = kind.endswith(("worker", "workers"))
    with ProcessPoolExecutor(commands, mp_context=get_context("spawn")) as pool:
        # The first of each is left out.
        each = jobs + max(2, count // commands)
        calls = [pool.submit(work, jobs, in_workers, each, epochs) for _ in range(commands)]
        rates, others = zip(*(call.result() for call in calls), strict=True)
    return sum(rates), sum(others) / commands


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
    others: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(arguments.rounds):
        for kind in KINDS:
            rate, other = measure(kind, arguments.cohorts, arguments.epochs)
            rates[kind].append(rate)
            others[kind].append(100 * other)
    print(f"{machine()}; load at the start {load:.1f}\n")
    print("| | cohorts a second, median | of one worker (min–max) |\n|---|--:|--:|")
    for kind in KINDS:
        low, middle, high = spread(
            [r / one for r, one in zip(rates[kind], rates["one worker"], strict=True)]
        )
        print(f"| {kind} | {median(rates[kind]):.3f} | {middle:.3f} ({low:.3f}–{high:.3f}) |")
    here, worker = others["in the command"], others["one worker"]
    low, middle, high = spread([there - own for own, there in zip(here, worker, strict=True)])
    print(
        f"\nnot training: {median(here):.1f} % of the time in the command, "
        f"{median(worker):.1f} % in a worker; scheduling: {middle:.1f} % ({low:.1f}–{high:.1f})"
    )


if __name__ == "__main__":
    main()
