"""A regression network, full batch, Adam, trained for 20 seeds, against a loop over torch.optim.

The loop runs with PyTorch's default threads and with one; ratios are against the faster of the two.

With ``--grid``: for 100 seeds at each of 10 learning rates. Of the loop, 2 seeds of each rate are
measured and multiplied by 50; ours is measured in full.
"""

import argparse

from benchmarks.harness import Measurement, compare, fresh
from benchmarks.ours import Table, train_on_all_cores, with_seeds
from benchmarks.peers import regression_loop
from thalweg.cohort.planner import available_cores

RATE = 0.01
GRID = tuple(1e-3 * 10 ** (i / 6) for i in range(10))
GRID_SEEDS, SAMPLED_SEEDS = 100, 2


def tables(seeds: int, steps: int, rates: tuple[float, ...]) -> list[Table]:
    return [
        run
        for rate in rates
        for run in with_seeds(
            {
                "task": {"name": "sine"},
                "model": {"name": "mlp", "widths": [100, 100], "activation": "tanh"},
                "optimizer": {"name": "adam", "lr": rate, "weight_decay": 1e-4},
                "train": {"epochs": steps, "batch_size": "full", "evaluate_every": steps},
            },
            seeds,
        )
    ]


def ours(seeds: int, steps: int, rates: tuple[float, ...], jobs: int) -> float:
    return train_on_all_cores(tables(seeds, steps, rates), jobs)


def times(factor: float, measurement: Measurement) -> Measurement:
    return lambda: factor * measurement()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, help="20; with --grid 100")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--grid", action="store_true")
    arguments = parser.parse_args()
    steps, cores = arguments.steps, available_cores()
    rates = GRID if arguments.grid else (RATE,)
    seeds = arguments.seeds or (GRID_SEEDS if arguments.grid else 20)
    sampled = min(SAMPLED_SEEDS, seeds) if arguments.grid else seeds
    loops = {"a loop, default threads": None, "a loop, one thread": 1}
    one, all_cores = "thalweg, one process", f"thalweg, {cores} processes"
    comparison = compare(
        {
            label: times(
                seeds / sampled, fresh(regression_loop.train, sampled, steps, rates, threads)
            )
            for label, threads in loops.items()
        }
        | {
            one: fresh(ours, seeds, steps, rates, 1),
            all_cores: fresh(ours, seeds, steps, rates, cores),
        },
        arguments.rounds,
    )
    print(f"Seconds of {seeds} seeds × {len(rates)} learning rates, {steps} steps each")
    if sampled < seeds:
        print(f"(the loop: {sampled * len(rates)} runs measured, times {seeds / sampled:g})")
    print(f"\n{comparison.markdown()}\n")
    for label in (one, all_cores):
        print("- " + comparison.ratio(label, *loops))


if __name__ == "__main__":
    main()
