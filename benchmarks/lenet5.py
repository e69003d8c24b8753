"""LeNet-5 on Fashion-MNIST: seconds a model-epoch against the usual script."""

import argparse
import os

from benchmarks.harness import compare, fresh, matrix_peak
from benchmarks.ours import train_on_all_cores
from benchmarks.peers import usual_script
from thalweg.cohort.planner import available_cores
from thalweg.data.locate import load

FLOPS_PER_EPOCH = 101e9
"""Multiply-adds of one epoch's 60,000 gradients, counted twice; see docs/performance.md."""


def usual() -> float:
    arrays = load("fashion-mnist", None)
    return usual_script.train_epochs(arrays["train_images"], arrays["train_labels"], 1, seed=0)


def ours(data: str | None, jobs: int, epochs: int) -> float:
    table = {
        "task": {"name": "fashion-mnist", "validation": 0},
        "model": {"name": "lenet5"},
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
        "train": {"epochs": epochs, "batch_size": 64, "evaluate_every": epochs},
    }
    return train_on_all_cores(table, jobs, jobs, data) / (jobs * epochs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    data, cores = os.environ.get("THALWEG_DATA"), available_cores()
    comparison = compare(
        {
            "the usual script": fresh(usual),
            "thalweg, one process": fresh(ours, data, 1, arguments.epochs),
            f"thalweg, {cores} processes": fresh(ours, data, cores, arguments.epochs),
        },
        arguments.rounds,
    )
    print(comparison.markdown())
    peak = matrix_peak(cores)
    best = min(comparison.seconds[f"thalweg, {cores} processes"])
    print(
        f"\nmatrix peak {peak:.0f} GFLOP/s on {cores} threads; thalweg reaches "
        f"{FLOPS_PER_EPOCH / best / 1e9:.0f} GFLOP/s, {FLOPS_PER_EPOCH / best / 1e9 / peak:.0%} of it"
    )


if __name__ == "__main__":
    main()
