"""How the cost of one run's step grows with the runs K, the batch and the threads.

The compiled kernels with all that surrounds them in a training (order, optimizer, bookkeeping):
LeNet-5 with SGD and momentum on Fashion-MNIST, and the regression MLP 1-100-100-1 with Adam. All
cells of a table take turns. Then a sweep of LeNet-5 over 10 learning rates × 100 seeds against one
over 10 learning rates × 1 seed, a few steps each, grouped by the planner and trained on all cores
with the networks built on the clock: seconds a run.
"""

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

from benchmarks.harness import compare, fresh, thread_count, timed
from benchmarks.ours import Table, train_on_all_cores, with_seeds
from thalweg.cohort.planner import Plan, available_cores
from thalweg.execute import Resources
from thalweg.execute.prepare import prepare
from thalweg.spec import RunSpec

RUNS = (1, 2, 4, 8, 16, 32)
BATCHES = (16, 32, 64, 128, 256, 512)
RATES = tuple(0.01 * (i + 1) for i in range(10))


def lenet5(batch: int, steps: int) -> Table:
    return {
        "task": {"name": "benchmarks.tasks:fashion_mnist", "examples": steps * batch},
        "model": {"name": "lenet5"},
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
        "train": {"epochs": 1, "batch_size": batch},
    }


def regression(batch: int, steps: int) -> Table:
    return {
        "task": {"name": "sine", "points": batch * 5 // 4},  # a fifth is the test split
        "model": {"name": "mlp", "widths": [100, 100], "activation": "tanh"},
        "optimizer": {"name": "adam", "lr": 0.01, "weight_decay": 1e-4},
        "train": {"epochs": steps, "batch_size": "full", "evaluate_every": steps},
    }


def step_seconds(
    table: Callable[[int, int], Table], work: int, K: int, batch: int, threads: int
) -> float:
    """Return the seconds of one run's step.

    Args:
        table: Of a run, given batch and steps.
        work: Examples a measurement goes over, summed over the runs.
        K: Runs in the cohort.
        batch: Examples a step.
        threads: Threads the kernels may use.
    """
    steps = min(max(work // (K * batch), 4), 60_000 // batch)
    specs = [RunSpec.parse(run) for run in with_seeds(table(batch, steps), K)]
    plan = Plan("native", K, "all together")
    with thread_count(threads):
        training, _ = prepare(specs, plan, Resources("cpu", 1, threads))
        return timed(training.run)() / (K * steps)


def print_tables(
    name: str, table: Callable[[int, int], Table], work: int, rounds: int, threads: list[int]
) -> None:
    cells: dict[str, Any] = {
        f"{t} {K} {batch}": partial(step_seconds, table, work, K, batch, t)
        for K in RUNS
        for batch in BATCHES
        for t in threads
    }
    # Imports, data and the first optimizer are not what is measured.
    step_seconds(table, 0, 1, BATCHES[0], 1)
    seconds = compare(cells, rounds).seconds
    for t in threads:
        print(f"\n{name}, {t} thread{'s' * (t > 1)}: microseconds of one run's step, median\n")
        print("| K \\ batch | " + " | ".join(map(str, BATCHES)) + " |")
        print("|--:|" + "--:|" * len(BATCHES))
        for K in RUNS:
            values = [f"{1e6 * median(seconds[f'{t} {K} {batch}']):.0f}" for batch in BATCHES]
            print(f"| {K} | " + " | ".join(values) + " |")


def sweep(seeds: int, steps: int, jobs: int) -> float:
    """Return the seconds a run."""
    table = lenet5(64, steps)
    runs = [
        run
        for lr in RATES
        for run in with_seeds({**table, "optimizer": {**table["optimizer"], "lr": lr}}, seeds)
    ]
    return train_on_all_cores(runs, jobs) / len(runs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=int, default=16_384, help="examples a cell, at least")
    parser.add_argument("--seeds", type=int, default=100, help="of the large sweep")
    parser.add_argument("--steps", type=int, default=10, help="of each run of the sweeps")
    arguments = parser.parse_args()
    cores = available_cores()
    threads = [1, 2][:cores]
    for name, table in (("LeNet-5", lenet5), ("Regression MLP", regression)):
        print_tables(name, table, arguments.work, arguments.rounds, threads)
    few, many = f"{len(RATES)} runs", f"{len(RATES) * arguments.seeds:,} runs"
    comparison = compare(
        {
            few: fresh(sweep, 1, arguments.steps, cores),
            many: fresh(sweep, arguments.seeds, arguments.steps, cores),
        },
        arguments.rounds,
    )
    print(f"\nSeconds a run of {arguments.steps} steps in a sweep of so many, {cores} processes\n")
    print(comparison.markdown())


if __name__ == "__main__":
    main()
