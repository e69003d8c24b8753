"""The step of each rule that PyTorch or pytorch_optimizer has too, without the gradient: K networks
of the size of LeNet-5 (44,426 weights) as rows of one matrix, against a loop over K optimizers.

The contestants take turns; the table has the median time of a step and the median of the ratios
that were measured one right after the other, with its range.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import pytorch_optimizer as zoo
import torch

from benchmarks.harness import compare, machine, spread, thread_count, timed
from thalweg.cohort import AutogradBackend, Cohort, Oracle
from thalweg.data import Split
from thalweg.models import build_model
from thalweg.optim.registry import bind_optimizer
from thalweg.optim.zoo import construct

Words = dict[str, Any]
COUNTERPARTS: dict[str, tuple[Words, Callable[..., torch.optim.Optimizer], Words]] = {
    "sgd": ({"lr": 1e-3}, torch.optim.SGD, {"lr": 1e-3}),
    "momentum": ({"lr": 1e-3}, torch.optim.SGD, {"lr": 1e-3, "momentum": 0.9}),
    "nesterov": (
        {"lr": 1e-3},
        torch.optim.SGD,
        {"lr": 1e-3, "momentum": 0.9, "nesterov": True},
    ),
    "adagrad": ({}, torch.optim.Adagrad, {}),
    "rmsprop": ({}, torch.optim.RMSprop, {}),
    "adadelta": ({}, torch.optim.Adadelta, {}),
    "adam": ({}, torch.optim.Adam, {}),
    "adamw": ({}, torch.optim.AdamW, {}),
    "amsgrad": ({}, torch.optim.Adam, {"amsgrad": True}),
    "adamax": ({}, torch.optim.Adamax, {}),
    "nadam": ({}, torch.optim.NAdam, {}),
    "radam": ({}, torch.optim.RAdam, {}),
    "lion": ({}, zoo.Lion, {}),
    "signsgd": ({"lr": 1e-3, "momentum": 0.9}, zoo.SignSGD, {"momentum": 0.9}),
    "adan": ({}, zoo.Adan, {}),
    "lamb": ({}, zoo.Lamb, {}),
    "lars": ({"lr": 1e-3}, zoo.LARS, {"lr": 1e-3}),
    "prodigy": ({}, zoo.Prodigy, {}),
    "schedule_free_sgd": ({"lr": 1e-3}, zoo.ScheduleFreeSGD, {"lr": 1e-3}),
    "schedule_free_adamw": ({}, zoo.ScheduleFreeAdamW, {}),
    "shampoo": ({}, zoo.Shampoo, {"momentum": 0.9, "preconditioning_compute_steps": 10}),
    "soap": ({}, zoo.SOAP, {"precondition_frequency": 10}),
    "muon": ({}, zoo.Muon, {}),
}


def networks(rows: int) -> list[torch.nn.Module]:
    return [build_model("lenet5", {}, (1, 28, 28), 10, seed, None) for seed in range(rows)]


def ours(name: str, words: Words, rows: int) -> Callable[[], None]:
    cohort = Cohort(networks(rows), range(rows))
    cohort.G.normal_(generator=torch.Generator().manual_seed(0))
    optimizer = bind_optimizer(name, cohort, [words] * rows)
    nothing = Split(torch.zeros(1, 1), torch.zeros(1, dtype=torch.int64))
    oracle = Oracle(cohort, AutogradBackend("cross_entropy", stacked=False), nothing, 1)
    return lambda: optimizer.step(1.0, oracle)


def theirs(
    factory: Callable[..., torch.optim.Optimizer], words: Words, rows: int
) -> Callable[[], None]:
    optimizers = []
    for module in networks(rows):
        parameters = list(module.parameters())
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        optimizers.append(construct(factory, parameters, words))

    def step() -> None:
        for optimizer in optimizers:
            optimizer.step()

    return step


def repeated(step: Callable[[], None], steps: int) -> None:
    for _ in range(steps):
        step()


def row_of(name: str, rows: int, rounds: int) -> str:
    own, factory, words = COUNTERPARTS[name]
    contestants = {"theirs": theirs(factory, words, rows), "ours": ours(name, own, rows)}
    steps = max(10, 64 // rows)  # some prepare every ten steps what the others use
    for step in contestants.values():
        step()  # allocates
    found = compare(
        {label: timed(partial(repeated, step, steps)) for label, step in contestants.items()},
        rounds,
    )
    microseconds = [spread(s)[1] / steps * 1e6 for s in found.seconds.values()]
    low, middle, high = spread(found.speedups("ours"))
    return (
        f"| {name} | {rows} | {microseconds[0]:.0f} | {microseconds[1]:.0f} "
        f"| {middle:.2f} ({low:.2f}–{high:.2f}) |"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 32])
    arguments = parser.parse_args()
    print(f"{machine()}; torch {torch.__version__}; {arguments.threads} threads\n")
    print("| rule | K | theirs µs | ours µs | times as fast (min–max) |")
    print("|---|--:|--:|--:|--:|")
    with thread_count(arguments.threads), torch.no_grad():
        for rows in arguments.rows:
            for name in COUNTERPARTS:
                print(row_of(name, rows, arguments.rounds))
