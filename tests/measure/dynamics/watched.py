"""A training with instruments, small and in double precision, and what they saw of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.cohort import AutogradBackend, Cohort, GradientBackend, Listener, Settings, Training
from thalweg.data import Task, load_task
from thalweg.measure.dynamics.options import DynamicsOptions
from thalweg.measure.dynamics.watch import DynamicsWatcher
from thalweg.measure.watcher import Values, Watcher
from thalweg.models import build_model
from thalweg.optim.registry import bind_optimizer

F64 = torch.float64
CPU = torch.device("cpu")


class Watching(Listener):
    """Keeps every look of a watcher.

    Attributes:
        looks: Figures of every step.
        before: Weights before every step.
        index: Batch of every step.
    """

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.looks: list[dict[str, Tensor]] = []
        self.before: list[Tensor] = []
        self.index: list[Tensor] = []

    def examples(self, step: int, row: int) -> Tensor:
        """Return the batch of a run at a step."""
        index = self.index[step]
        return index if index.ndim == 1 else index[row]

    def watches(self, step: int) -> bool:
        return True

    def on_gradient(self, training: Training) -> None:
        self.before.append(training.cohort.W.clone())
        self.index.append(training.oracle.index.clone())
        self.watcher.before(training, True)

    def on_step(self, training: Training) -> None:
        values: Values = self.watcher.after(training, True)
        self.looks.append({name: value.clone() for name, value in values.items()})


def small_digits(examples: int = 60) -> Task:
    whole = load_task("digits", {"validation": 0})
    return replace(whole, train=whole.train.subset(torch.arange(examples)))


def training_of(
    network: Callable[[int], nn.Module],
    optimizer: str = "sgd",
    options: Sequence[dict[str, Any]] = ({"lr": 0.1},),
    task: Task | None = None,
    epochs: int = 1,
    batch_size: int | None = 20,
    dtype: torch.dtype = F64,
    backend: GradientBackend | None = None,
    **settings: Any,
) -> Training:
    """Return a training of one run for every entry of ``options``, with seeds 0, 1, ..."""
    data = (task or small_digits()).to(CPU, dtype)
    rows = range(len(options))
    cohort = Cohort([network(seed) for seed in rows], rows, CPU, dtype)
    return Training(
        cohort,
        data,
        backend or AutogradBackend(data.loss, stacked=False),
        bind_optimizer(optimizer, cohort, options),
        Settings(
            epochs=epochs,
            batch_size=batch_size,
            shared_order=False,
            evaluate_every=settings.pop("evaluate_every", 1),
            clip_norm=settings.pop("clip_norm", None),
            lr=[own.get("lr") for own in options],
            lr_scale=settings.pop("lr_scale", lambda step: 1.0),
            flops_per_example=1.0,
            **settings,
        ),
    )


def watch(training: Training, **options: Any) -> Watching:
    """Train to the end under the eyes of instruments."""
    examples = options.pop("examples", None)
    watcher = DynamicsWatcher.of(DynamicsOptions(**options), examples, 0, training)
    watching = Watching(watcher)
    training.run(watching)
    return watching


def mlp(seed: int, widths: Sequence[int] = (12,), activation: str = "relu") -> nn.Module:
    options = {"widths": list(widths), "activation": activation}
    return build_model("mlp", options, (64,), 10, seed, None).double()
