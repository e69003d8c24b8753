"""A run's network with its final weights."""

from dataclasses import dataclass
from math import isclose
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from thalweg.cohort.losses import example_losses
from thalweg.data import Task, load_task
from thalweg.errors import InputError
from thalweg.execute.models import load_weights
from thalweg.models import build_model
from thalweg.spec import RunSpec
from thalweg.store import RunDirectory

EXAMPLES = 1000
"""Examples a forward pass."""


@dataclass(frozen=True)
class Trained:
    """A network as a run left it, in evaluation mode on the CPU.

    Attributes:
        task: What it was trained on.
        initial: The same network before training.
        module: The network.
    """

    task: Task
    initial: nn.Module
    module: nn.Module


def load_trained(run: RunDirectory, data: Path | None) -> Trained:
    """Build a run's network and give it the final weights.

    Args:
        run: The run.
        data: Folder searched first for downloadable data sets.

    Raises:
        InputError: The run did not end with weights of use, or what its spec names is no longer
            what was trained.
    """
    status = run.status()
    if status["status"] == "diverged":
        raise InputError(f"run {run.id}: diverged; only a run that is done can be exported")
    if status["status"] != "done":
        raise InputError(
            f"run {run.id}: is not complete (status {status['status']!r}); run its study again"
        )
    spec = RunSpec.parse(run.spec())
    task = load_task(spec.task.name, dict(spec.task.options), data)
    initial, module = (
        build_model(
            *(spec.model.name, dict(spec.model.options), task.shape, task.outputs),
            *(spec.seed, spec.init),
        ).eval()
        for _ in range(2)
    )
    changed = f"run {run.id}: the code of its model or task has changed since it was trained"
    if not load_weights(module, load_file(run.path / "final.safetensors")):
        raise InputError(f"{changed}; the weights no longer fit the model")
    trained = Trained(task, initial, module)
    loss = _test_loss(trained)
    if not isclose(loss, status["test_loss"], rel_tol=1e-3, abs_tol=1e-6):
        raise InputError(
            f"{changed}; the test loss was {status['test_loss']:g} and now is {loss:g}"
        )
    return trained


@torch.no_grad()
def outputs_on_test(module: nn.Module, task: Task) -> Tensor:
    """Return a network's outputs on the whole test split, ``(N, outputs)``."""
    starts = range(0, len(task.test), EXAMPLES)
    batches = (task.test.batch(slice(start, start + EXAMPLES))[0] for start in starts)
    return torch.cat([module(inputs) for inputs in batches])


def _test_loss(trained: Trained) -> float:
    outputs = outputs_on_test(trained.module, trained.task)
    targets = trained.task.test.batch_targets(slice(None))
    return example_losses(trained.task.loss, outputs, targets).double().mean().item()
