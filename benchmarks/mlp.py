"""An MLP 784-256-128-10 on Fashion-MNIST, batch 64, SGD with momentum: 40 seeds, 200 steps each.

Against a loop over ``torch.optim.SGD``, data in memory, with PyTorch's default threads and with
one thread; the ratio is taken against the faster of the two. Nobody evaluates (ours, twice a run,
on 64 images). Networks are built on the clock, on both sides.
"""

import argparse

from benchmarks.harness import compare, fresh
from benchmarks.ours import train_on_all_cores, with_seeds
from benchmarks.theirs import eager_training
from thalweg.cohort.planner import available_cores

BATCH = 64


def ours(runs: int, steps: int, jobs: int) -> float:
    table = {
        "task": {"name": "benchmarks.tasks:fashion_mnist", "examples": steps * BATCH},
        "model": {"name": "mlp", "widths": [256, 128]},
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
        "train": {"epochs": 1, "batch_size": BATCH},
    }
    return train_on_all_cores(with_seeds(table, runs), jobs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    runs, steps, cores = arguments.runs, arguments.steps, available_cores()
    loop = ("mlp", steps * BATCH, BATCH, steps, runs)
    one, all_cores = "thalweg, one process", f"thalweg, {cores} processes"
    comparison = compare(
        {
            "a loop, default threads": fresh(eager_training, *loop, None),
            "a loop, one thread": fresh(eager_training, *loop, 1),
            one: fresh(ours, runs, steps, 1),
            all_cores: fresh(ours, runs, steps, cores),
        },
        arguments.rounds,
    )
    print(f"Seconds of {runs} runs of {steps} steps\n\n{comparison.markdown()}\n")
    for label in (one, all_cores):
        print("- " + comparison.ratio(label, "a loop, default threads", "a loop, one thread"))


if __name__ == "__main__":
    main()
