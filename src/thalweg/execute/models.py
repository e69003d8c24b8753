"""The task and the network a spec names."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from thalweg.cohort.planner import Traits, examine
from thalweg.data import Task, load_task
from thalweg.errors import InputError
from thalweg.execute.trial import deadly
from thalweg.models import build_model
from thalweg.randomness import derive
from thalweg.sparsity import select
from thalweg.sparsity.allocation.counting import kept
from thalweg.spec import Named, RunSpec
from thalweg.spec.run import sparsity_options


@lru_cache(maxsize=4)
def load_named_task(named: Named, data: Path | None) -> Task:
    """Load a task; the last few are kept in memory."""
    return load_task(named.name, dict(named.options), data)


@lru_cache(maxsize=64)
def find_traits(task: Named, model: Named, data: Path | None) -> Traits:
    """Build a network and find out what the planner must know.

    Raises:
        InputError: The network cannot be built, does not fit the task, or ends the process.
    """
    loaded = load_named_task(task, data)

    def find() -> Traits:
        options = dict(model.options)
        module = build_model(model.name, options, loaded.shape, loaded.outputs, 0, None)
        return examine(module, loaded.shape)

    if model.code and (end := deadly(find)) is not None:
        raise InputError(
            f"model {model.name!r}: ends its process ({end}) when it is tried on four examples"
        )
    return find()


@lru_cache(maxsize=256)
def check_sparsity(task: Named, model: Named, sparsity: Named, data: Path | None) -> None:
    """Check that a network has the weights a sparsity is about, and that it can share them out.

    Raises:
        InputError: A pattern matches nothing, no weight would be left, or the scope does not fit.
    """
    loaded = load_named_task(task, data)
    module = build_model(model.name, dict(model.options), loaded.shape, loaded.outputs, 0, None)
    options = sparsity_options(sparsity)
    sizes = {name: module.get_parameter(name).detach() for name in options.names(module)}
    weights = sum(weight.numel() for weight in sizes.values())
    keep = getattr(options, "keep", 1.0)
    for fraction in keep if isinstance(keep, list) else [keep]:
        if kept(fraction, weights) == 0:
            raise InputError(
                f"sparsity.keep = {fraction:g}: would leave none of the {weights} weights"
            )
        scores = {name: torch.zeros_like(weight) for name, weight in sizes.items()}
        select(scores, fraction, getattr(options, "scope", "global"))


def load_weights(module: nn.Module, weights: Mapping[str, Tensor]) -> bool:
    """Copy a run's weights into a network; return whether all names and shapes are its own."""
    # Not load_state_dict: runs keep every buffer, persistent or not, and a tied parameter once.
    own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    shapes = {name: tensor.shape for name, tensor in own.items()}
    if shapes != {name: tensor.shape for name, tensor in weights.items()}:
        return False
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights[name])
    return True


def build_spec_model(spec: RunSpec, task: Task, seed: int | None = None) -> torch.nn.Module:
    """Build a run's network at its initial weights, or at those of another seed."""
    return build_model(
        spec.model.name,
        dict(spec.model.options),
        task.shape,
        task.outputs,
        spec.seed if seed is None else seed,
        spec.init,
    )


def initial_seed(spec: RunSpec) -> int:
    """Return the seed that a run's training draws its initial weights from: its own, but of the
    control of a ticket that begins from other weights.
    """
    if spec.rounds is None or spec.rounds.control != "reinitialised":
        return spec.seed
    return derive(spec.seed, "mask") % 2**31
