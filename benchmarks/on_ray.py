"""A study on a Ray cluster of this machine against the same study in local worker processes.

LeNet-5 on digits of 28×28, SGD, on as many processes as there are cores: all of `execute`, with the
start of the workers and every file on the clock, into a fresh folder each time. The cluster stands
before the clock starts, as one that is joined does.
"""

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.harness import compare
from benchmarks.ours import with_seeds
from thalweg.cohort.planner import available_cores
from thalweg.execute import Progress, Resources, execute, plan_cohorts
from thalweg.spec import RunSpec
from thalweg.store import Store


def specs(cohorts: int, epochs: int) -> list[RunSpec]:
    """Return runs of so many kinds, each of which is a cohort of its own."""
    table = {
        "task": {"name": "digits", "size": 28},
        "model": {"name": "lenet5"},
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
    }
    return [
        RunSpec.parse(run)
        for i in range(cohorts)
        for run in with_seeds({**table, "train": {"epochs": epochs, "batch_size": 60 + i}}, 1)
    ]


def seconds(runs: list[RunSpec], jobs: int, on: str | None) -> float:
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "out", create=True)
        resources = Resources("cpu", jobs, 1, on=on)
        start = perf_counter()
        outcome = execute(runs, store, resources, Progress(quiet=True))
        passed = perf_counter() - start
        assert len(outcome.trained) == len(runs)
        longest = [run.status()["seconds"] for run in store.runs()]
        print(f"{on or 'local'}: {passed:.2f} s, a cohort {min(longest):.2f}–{max(longest):.2f} s")
        return passed


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cohorts", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=available_cores())
    arguments = parser.parse_args()
    Resources.choose("cpu", arguments.jobs, on="ray")
    runs = specs(arguments.cohorts, arguments.epochs)
    plan_cohorts(runs, None, Resources("cpu", arguments.jobs, 1))  # imports and data are here
    contestants = {
        "local": partial(seconds, runs, arguments.jobs, None),
        "ray": partial(seconds, runs, arguments.jobs, "ray"),
    }
    comparison = compare(contestants, arguments.rounds)
    print(f"\n{arguments.cohorts} cohorts on {arguments.jobs} processes\n")
    print(comparison.markdown())


if __name__ == "__main__":
    main()
