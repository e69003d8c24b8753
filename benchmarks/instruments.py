"""What instruments add to a training step of LeNet-5 on Fashion-MNIST.

`cheap` looks at every step, `standard` at every sixteenth, as they do if a study says nothing.
Plain and watched trainings take turns, some steps each, in one process of one thread.
"""

import argparse
import os
from collections.abc import Callable
from statistics import median

from benchmarks.harness import spread

os.environ.setdefault("OMP_NUM_THREADS", "1")

import time

import torch

from thalweg.cohort import Training
from thalweg.execute import Resources, plan_cohorts
from thalweg.execute.live import LiveProbes
from thalweg.execute.prepare import prepare
from thalweg.measure.requests import parse_requests
from thalweg.spec import RunSpec

STEPS = 160
"""Steps of a turn: whole periods of a look at every sixteenth."""

WATCHED = {
    "plain": [],
    "cheap": [{"name": "dynamics", "preset": "cheap"}],
    "standard": [{"name": "dynamics", "preset": "standard"}],
    "standard, every step": [{"name": "dynamics", "preset": "standard", "when": "every:1"}],
}


class Turns(Training):
    """A training of which some steps are taken at a time."""

    def take(self, steps: int) -> None:
        """Take so many steps, as the training loop does."""
        order, size = self._order(), 64
        for _ in range(steps):
            start = (self.step * size) % (len(self.task.train) - size)
            self._take_step(order[..., start : start + size])
            self.step += 1
            for listener in self._listeners:
                listener.on_step(self)


def turns(task: str, tables: list[dict[str, object]]) -> Callable[[], float]:
    """Return what takes a turn and tells the seconds it took."""
    table = {
        "task": task,
        "model": "lenet5",
        "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
        "train": {"epochs": 1000, "batch_size": 64},
        "seed": 0,
    }
    spec = RunSpec.parse(table)
    resources = Resources("cpu", 1, 1)
    training, _ = prepare([spec], plan_cohorts([spec], None, resources)[0].plan, resources)
    training.__class__ = Turns
    training._listeners = (LiveProbes([parse_requests(tables)], training),)

    def turn() -> float:
        start = time.perf_counter()
        training.take(STEPS)  # type: ignore[attr-defined]
        return time.perf_counter() - start

    turn()  # the first allocates
    return turn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--task", default="fashion-mnist")
    args = parser.parse_args()
    torch.set_num_threads(1)
    contestants = {name: turns(args.task, tables) for name, tables in WATCHED.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(args.rounds):
        for name, turn in contestants.items():
            seconds[name].append(turn())
    print("quartiles of the ratios of rounds:\n")
    print("| | ms a step (min, median) | times a plain step |")
    print("|---|--:|--:|")
    for name, own in seconds.items():
        ratios = sorted(a / b for a, b in zip(own, seconds["plain"], strict=True))
        low, _, _ = spread(own)
        quarter = len(ratios) // 4
        print(
            f"| {name} | {1e3 * low / STEPS:.3f}, {1e3 * median(own) / STEPS:.3f} "
            f"| {ratios[quarter]:.3f}, {median(ratios):.3f}, {ratios[-1 - quarter]:.3f} |"
        )


if __name__ == "__main__":
    main()
