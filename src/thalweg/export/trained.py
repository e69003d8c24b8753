"""A run's network with its final weights."""

from dataclasses import dataclass
from math import isclose
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.cohort.losses import example_losses
from thalweg.data import Task, load_task
from thalweg.errors import InputError
from thalweg.execute.models import load_weights
from thalweg.models import InitOptions, build_model
from thalweg.spec import Named, RunSpec
from thalweg.spec.imported import is_imported, network_of
from thalweg.spec.run import IMPORTED
from thalweg.store import RunDirectory

EXAMPLES = 1000
"""Examples a forward pass."""

TOLERANCE, FOREIGN_TOLERANCE = 1e-3, 1e-2
"""Relative difference of the test loss up to which a network is the one that was trained; where
another program computed it, perhaps in lower precision."""


@dataclass(frozen=True)
class Trained:
    """A network as a run left it, in evaluation mode on the CPU.

    Attributes:
        task: What it was trained on.
        made_of: Names and options of both, by "model" and "task".
        initial: The same network before training; of an imported run as its seed would draw it
            here, which is not what it began from.
        module: The network.
    """

    task: Task
    made_of: dict[str, Any]
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
    if is_imported(run.spec()):
        return _load_imported(run, data)
    spec = RunSpec.parse(run.spec())
    trained = _build(run, spec.task, spec.model, spec.seed, spec.init, data)
    changed = f"run {run.id}: the code of its model or task has changed since it was trained"
    if trained is None:
        raise InputError(f"{changed}; the weights no longer fit the model")
    loss = _test_loss(trained)
    if not isclose(loss, status["test_loss"], rel_tol=TOLERANCE, abs_tol=1e-6):
        raise InputError(
            f"{changed}; the test loss was {status['test_loss']:g} and now is {loss:g}"
        )
    return trained


def _load_imported(run: RunDirectory, data: Path | None) -> Trained:
    spec, status = run.spec(), run.status()
    who = f"run {run.id}, imported as {spec[IMPORTED]['arm']!r}"
    if not run.weights_path.exists():
        raise InputError(
            f"{who}: its weights are in none of the files that were imported; of a pruning by "
            "rounds those of another may be (STUDY/ARM/SEED/round:R)"
        )
    task, model = network_of(spec)
    for key, found in (("task", task), ("model", model)):
        if found is None:
            raise InputError(f"{who}: its {key} is not known; import it again with --{key} NAME")
    assert task is not None and model is not None
    trained = _build(run, task, model, spec["seed"], None, data)
    if trained is None:
        raise InputError(f"{who}: its weights do not fit {model.name!r} on task {task.name!r}")
    told, loss = status.get("test_loss"), _test_loss(trained)
    if told is not None and not isclose(loss, told, rel_tol=FOREIGN_TOLERANCE):
        raise InputError(
            f"{who}: its files tell a test loss of {told:g}, but its weights have {loss:g} as "
            f"{model.name!r} on task {task.name!r}; import it with the --model and --task, "
            "normalisation included, that it was trained with"
        )
    return trained


def _build(
    run: RunDirectory,
    task: Named,
    model: Named,
    seed: int,
    init: InitOptions | None,
    data: Path | None,
) -> Trained | None:
    """Return a run's network; None if its weights do not fit its model."""
    loaded = load_task(task.name, dict(task.options), data)
    initial, module = (
        build_model(
            model.name, dict(model.options), loaded.shape, loaded.outputs, seed, init
        ).eval()
        for _ in range(2)
    )
    if not load_weights(module, run.weights() or {}):
        return None
    made_of = {"model": model.canonical(), "task": task.canonical()}
    return Trained(loaded, made_of, initial, module)


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
