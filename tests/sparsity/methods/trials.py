"""Small trainings under each method."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from thalweg.cohort import AutogradBackend, Cohort, Listener, Settings, Training
from thalweg.data import Task, load_task
from thalweg.models import build_model
from thalweg.optim.registry import bind_optimizer
from thalweg.sparsity import Setting, bind_sparsity

INPUTS, HIDDEN, CLASSES = 64, 12, 10
WEIGHTS = INPUTS * HIDDEN + HIDDEN * CLASSES

METHODS: dict[str, dict[str, Any]] = {
    "one_shot": {"keep": 0.2, "after_epoch": 1},
    "gradual": {"keep": 0.2, "start_epoch": 0.5, "every": 2},
    "projection": {"keep": 0.2},
    "proximal_l1": {"strength": 0.1},
    "set": {"keep": 0.2, "every": 3},
    "rigl": {"keep": 0.2, "every": 3},
    "acdc": {"keep": 0.2},
    "ste": {"keep": 0.2},
    "top_kast": {"keep": 0.2, "backward_keep": 0.5, "penalty": 0.01},
    "dpf": {"keep": 0.2, "every": 3},
}
"""Options of every method that acts within a few epochs of a few steps."""


@cache
def digits(examples: int = 40) -> Task:
    whole = load_task("digits", {"validation": 0})
    small = replace(
        whole,
        train=whole.train.subset(torch.arange(examples)),
        test=whole.test.subset(torch.arange(20)),
    )
    return small.to(torch.device("cpu"), torch.float64)


def build(
    name: str,
    options: Sequence[dict[str, Any]],
    optimizer: str = "sgd",
    hyperparameters: dict[str, Any] | None = None,
    epochs: int = 4,
    batch_size: int | None = 8,
    seeds: Sequence[int] | None = None,
) -> Training:
    """Return a training of one run for each set of options, in double precision."""
    task = digits()
    seeds = range(len(options)) if seeds is None else seeds
    modules = [
        build_model("mlp", {"widths": [HIDDEN]}, task.shape, task.outputs, seed, None)
        for seed in seeds
    ]
    cohort = Cohort(modules, seeds, torch.device("cpu"), torch.float64)
    hyperparameters = hyperparameters or {"lr": 0.1}
    steps_per_epoch = 1 if batch_size is None else -(-len(task.train) // batch_size)
    setting = Setting(cohort, task, epochs * steps_per_epoch, steps_per_epoch)
    settings = Settings(
        epochs=epochs,
        batch_size=batch_size,
        shared_order=False,
        evaluate_every=1,
        clip_norm=None,
        lr=[hyperparameters["lr"]] * len(modules),
        lr_scale=lambda step: 1.0,
        flops_per_example=1.0,
        constraint=bind_sparsity(name, setting, options),
    )
    bound = bind_optimizer(optimizer, cohort, [hyperparameters] * len(modules))
    return Training(cohort, task, AutogradBackend(task.loss, stacked=False), bound, settings)


class Watch(Listener):
    """Looks at a training after every step and every epoch."""

    def __init__(self, look: Callable[[Training], Any], epochs: bool = False) -> None:
        self._look = look
        self._epochs = epochs
        self.seen: list[Any] = []

    def on_step(self, training: Training) -> None:
        self.seen.append(self._look(training))

    def on_epoch(self, training: Training) -> None:
        if self._epochs:
            self.seen.append(self._look(training))


def chosen(training: Training, matrix: Tensor) -> Tensor:
    """Return the entries of both layers' weights, without biases, ``(K, n)``."""
    views = training.cohort.layout.views(matrix)
    return torch.cat([v.flatten(1) for name, v in views.items() if name.endswith("weight")], 1)
