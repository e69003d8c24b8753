"""A regression sweep over 20 seeds against a loop over torch.optim."""

import argparse

from benchmarks.harness import compare, fresh
from benchmarks.ours import train_on_all_cores
from benchmarks.peers import regression_loop
from thalweg.cohort.planner import available_cores


def ours(seeds: int, steps: int, jobs: int) -> float:
    table = {
        "task": {"name": "sine"},
        "model": {"name": "mlp", "widths": [100, 100], "activation": "tanh"},
        "optimizer": {"name": "adam", "lr": 0.01, "weight_decay": 1e-4},
        "train": {"epochs": steps, "batch_size": "full", "evaluate_every": steps},
    }
    return train_on_all_cores(table, seeds, jobs, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=500)
    arguments = parser.parse_args()
    seeds, steps, cores = arguments.seeds, arguments.steps, available_cores()
    print(
        compare(
            {
                "a loop over torch.optim": fresh(regression_loop.train, seeds, steps),
                "thalweg, one process": fresh(ours, seeds, steps, 1),
                f"thalweg, {cores} processes": fresh(ours, seeds, steps, cores),
            },
            arguments.rounds,
        ).markdown()
    )


if __name__ == "__main__":
    main()
