"""LeNet-5 on Fashion-MNIST, batch 64, SGD with momentum: seconds a model-epoch.

Contestants: the usual script, with PyTorch's default threads; the best eager PyTorch we know of
(data in memory, channels-last, ReLU after pooling, fused SGD), one thread; ours in one process of
one thread; ours with a process a core, each training a run of its own. Everyone trains on the same
examples and nobody evaluates (ours, twice, on 64 images). The share of the matrix peak counts the
operations of the gradients alone.
"""

import argparse
import math

from benchmarks.harness import compare, fresh, matrix_peak
from benchmarks.ours import train_on_all_cores, with_seeds
from benchmarks.tasks import TRAIN
from benchmarks.theirs import eager_training, usual_epoch
from thalweg.cohort import flops_per_example
from thalweg.cohort.planner import available_cores
from thalweg.models import build_model

BATCH = 64
SIMPLE_FLOPS = 101e9 / TRAIN
"""An example's gradient as three times its forward pass, multiply-adds counted twice. The engine
leaves out the gradient with respect to the images, which nobody computes."""


def eager_epoch(examples: int, epochs: int) -> float:
    steps = epochs * math.ceil(examples / BATCH)
    return eager_training("lenet5", examples, BATCH, steps, 1, 1) / epochs


def ours(examples: int, epochs: int, jobs: int) -> float:
    table = {
        "task": {"name": "benchmarks.tasks:fashion_mnist", "examples": examples},
        "model": {"name": "lenet5"},
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
        "train": {"epochs": epochs, "batch_size": BATCH, "evaluate_every": epochs},
    }
    return train_on_all_cores(with_seeds(table, jobs), jobs) / (jobs * epochs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="of all but the usual script")
    parser.add_argument("--examples", type=int, default=TRAIN)
    arguments = parser.parse_args()
    cores, examples, epochs = available_cores(), arguments.examples, arguments.epochs
    usual, eager, one, all_cores = (
        "the usual script",
        "best eager, one thread",
        "thalweg, one process",
        f"thalweg, {cores} processes",
    )
    comparison = compare(
        {
            usual: fresh(usual_epoch, examples),
            eager: fresh(eager_epoch, examples, epochs),
            one: fresh(ours, examples, epochs, 1),
            all_cores: fresh(ours, examples, epochs, cores),
        },
        arguments.rounds,
    )
    print(f"Seconds an epoch of {examples:,} examples\n\n{comparison.markdown()}\n")
    print(f"- {comparison.ratio(all_cores, usual)}\n- {comparison.ratio(one, eager)}")
    flops = flops_per_example(build_model("lenet5", {}, (1, 28, 28), 10, 0, None), (1, 28, 28))
    speed = examples / min(comparison.seconds[all_cores])
    peak = matrix_peak(cores)
    for name, count in (("as the engine counts", flops), ("simply counted", SIMPLE_FLOPS)):
        reached = count * speed / 1e9
        print(
            f"- {TRAIN * count / 1e9:.0f} GFLOP in 60,000 gradients {name}: {all_cores} reach "
            f"{reached:.0f} GFLOP/s, {reached / peak:.0%} of the matrix peak on {cores} threads "
            f"({peak:.0f} GFLOP/s)"
        )


if __name__ == "__main__":
    main()
