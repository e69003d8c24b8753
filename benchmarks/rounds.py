"""Pruning by rounds of a regression network, for 20 seeds, against a loop over torch.optim.

1-100-100-1, full batch, Adam, ten trainings of 125 steps a seed: the dense one, and after each of
nine prunings (90 %, 80 %, ... 10 % of the weights kept) one from the initial weights. The loop runs
with PyTorch's default threads and with one; ratios are against the faster of the two.

Ours is all of a study's training: weights, masks, metrics and what is known of the masks are
written to disk, and the start of the worker processes is on the clock. The loop writes nothing.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch

from benchmarks.harness import compare, fresh
from benchmarks.ours import Table, with_seeds
from benchmarks.peers import rounds_loop
from thalweg.cohort.planner import available_cores
from thalweg.execute import Progress, Resources, execute
from thalweg.spec import RunSpec
from thalweg.store import Store


def tables(seeds: int, steps: int, keep: tuple[float, ...]) -> list[Table]:
    return with_seeds(
        {
            "task": {"name": "sine"},
            "model": {"name": "mlp", "widths": [100, 100], "activation": "tanh"},
            "optimizer": {"name": "adam", "lr": 0.01, "weight_decay": 1e-4},
            "train": {"epochs": steps, "batch_size": "full", "evaluate_every": steps},
            "sparsity": {"name": "imp", "keep": list(keep), "rewind": "init"},
        },
        seeds,
    )


def ours(seeds: int, steps: int, keep: tuple[float, ...], jobs: int) -> float:
    """Return the seconds of all rounds of all seeds."""
    torch.set_num_threads(1)
    # Imports and the first optimizer of this process are not what is measured.
    _execute(tables(1, 1, keep[:1]), 1)
    return _execute(tables(seeds, steps, keep), jobs)


def _execute(runs: list[Table], jobs: int) -> float:
    with TemporaryDirectory() as folder:
        specs = [RunSpec.parse(run) for run in runs]
        start = perf_counter()
        execute(
            specs,
            Store(Path(folder), create=True),
            Resources("cpu", jobs, 1),
            Progress(quiet=True),
        )
        return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each contestant")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=125, help="of each training")
    parser.add_argument("--prunings", type=int, default=9, help="from 1 to 9")
    arguments = parser.parse_args()
    seeds, steps, cores = arguments.seeds, arguments.steps, available_cores()
    keep = tuple(round(1 - i / 10, 1) for i in range(1, arguments.prunings + 1))
    loops = {"a loop, default threads": None, "a loop, one thread": 1}
    jobs = {"thalweg, one process": 1, f"thalweg, {cores} processes": cores}
    comparison = compare(
        {
            label: fresh(rounds_loop.train, seeds, steps, keep, threads)
            for label, threads in loops.items()
        }
        | {label: fresh(ours, seeds, steps, keep, count) for label, count in jobs.items()},
        arguments.rounds,
    )
    print(f"Seconds of {seeds} seeds × {len(keep) + 1} trainings, {steps} steps each\n")
    print(f"{comparison.markdown()}\n")
    for label in jobs:
        print("- " + comparison.ratio(label, *loops))


if __name__ == "__main__":
    main()
