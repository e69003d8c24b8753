"""An RNN of 3×256 tanh units reading Fashion-MNIST row by row, batch 256, SGD with momentum.

One run, one thread: ours against ``nn.RNN`` and ``torch.optim.SGD`` by eager PyTorch, data in
memory. Nobody evaluates (ours, twice, on 64 images).
"""

import argparse

from benchmarks.harness import compare, fresh
from benchmarks.ours import train_on_all_cores, with_seeds
from benchmarks.theirs import eager_training

BATCH = 256


def ours(steps: int) -> float:
    table = {
        "task": {"name": "benchmarks.tasks:fashion_mnist", "examples": steps * BATCH},
        "model": {"name": "rnn", "hidden": 256, "layers": 3, "nonlinearity": "tanh"},
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9},
        "train": {"epochs": 1, "batch_size": BATCH},
    }
    return train_on_all_cores(with_seeds(table, 1), 1) / steps


def eager(steps: int) -> float:
    return eager_training("rnn", steps * BATCH, BATCH, steps, 1, 1) / steps


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    steps = arguments.steps
    comparison = compare(
        {
            "eager nn.RNN, one thread": fresh(eager, steps),
            "thalweg, one thread": fresh(ours, steps),
        },
        arguments.rounds,
    )
    print(f"Seconds a step, over {steps} steps\n\n{comparison.markdown()}")


if __name__ == "__main__":
    main()
