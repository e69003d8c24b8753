"""What a criterion is, and what it may ask for beside the network."""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.sparsity.allocation.scope import Scores
from thalweg.validation import Options

Batch = tuple[Tensor, Tensor]
"""Inputs ``(B, ...)`` and targets ``(B, ...)``."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""``(outputs, targets)`` → mean loss of a batch."""

Need = Literal["data", "examples", "gradients", "shape"]


@dataclass(frozen=True)
class Context:
    """What a criterion may ask for beside the network.

    Attributes:
        batches: Examples; none if the criterion does without.
        loss: Mean loss of a batch.
        seed: Root seed.
    """

    batches: tuple[Batch, ...]
    loss: Loss
    seed: int

    @property
    def examples(self) -> int:
        """How many examples the batches hold in all."""
        return sum(len(inputs) for inputs, _ in self.batches)


@dataclass(frozen=True)
class Criterion:
    """One way to score weights.

    Attributes:
        name: What a study calls it.
        summary: A line of help.
        source: Where it was published.
        needs: "data" (examples), "examples" (if there are any), "gradients", "shape" (of one input,
            from examples or an option).
        options: The options it takes.
        score: ``(model, names, context, options)`` → scores of the named parameters, the higher the
            sooner kept. It leaves the model as it was.
        rounds: In how many rounds it is meant to be applied.
    """

    name: str
    summary: str
    source: str
    needs: tuple[Need, ...]
    options: type[Options]
    score: Callable[[nn.Module, Sequence[str], Context, Any], Scores]
    rounds: int = 1


def batches_of(data: object, device: torch.device) -> tuple[Batch, ...]:
    """Return the batches of ``data`` on a device.

    Args:
        data: One batch ``(inputs, targets)``, batches of that form such as a ``DataLoader`` gives,
            or None.
        device: Where the network is.

    Raises:
        InputError: It is neither.
    """
    if data is None:
        return ()
    several = isinstance(data, Iterable) and not _is_batch(data)
    found: list[Any] = list(cast(Iterable[Any], data)) if several else [data]
    if not all(_is_batch(each) for each in found):
        raise InputError("data: must be a batch (inputs, targets) of tensors, or such batches")
    return tuple((inputs.to(device), targets.to(device)) for inputs, targets in found)


def _is_batch(value: object) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(each, Tensor) for each in value)
    )


def scratch(model: nn.Module, names: Sequence[str]) -> tuple[nn.Module, list[Tensor]]:
    """Return a copy of a module of which only the named parameters ask for a gradient, and these.

    Whatever a pass through the copy changes, the module stays as it was.
    """
    module = copy.deepcopy(model).requires_grad_(False)
    weights = [module.get_parameter(name).requires_grad_(True) for name in names]
    return module, weights
