"""Scores by a criterion's name."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from thalweg.errors import InputError
from thalweg.randomness import global_stream
from thalweg.registry import Registry
from thalweg.sparsity.allocation.scope import Scores
from thalweg.sparsity.criteria.activation import ACTIVATION
from thalweg.sparsity.criteria.criterion import Context, Criterion, Loss, batches_of
from thalweg.sparsity.criteria.grasp import GRASP
from thalweg.sparsity.criteria.magnitude import MAGNITUDE
from thalweg.sparsity.criteria.own import adopt
from thalweg.sparsity.criteria.random import RANDOM
from thalweg.sparsity.criteria.snip import SNIP
from thalweg.sparsity.criteria.synflow import SYNFLOW
from thalweg.sparsity.named import Named, resolve

CRITERIA: Registry[Criterion] = Registry("criterion", adopt)
for _own in (MAGNITUDE, RANDOM, SNIP, GRASP, SYNFLOW, ACTIVATION):
    CRITERIA.add(_own.name, _own.summary, _own.options, _own)


def score(
    model: nn.Module,
    names: Sequence[str],
    criterion: Named = "magnitude",
    data: Any = None,
    loss: Loss | None = None,
    seed: int = 0,
) -> Scores:
    """Return a score for every weight of the named parameters; the model stays as it was.

    Args:
        model: The network.
        names: Parameters to score, as `thalweg.sparsity.prunable` gives them.
        criterion: A name of `CRITERIA` or ``"package.module:Name"``, or a table of the name and its
            options.
        data: One batch ``(inputs, targets)``, or batches such as a ``DataLoader`` gives; all are
            kept in memory and count by their examples.
        loss: ``(outputs, targets)`` → mean loss. By default cross-entropy where targets are whole
            numbers, and mean squared error where they are not.
        seed: Root seed of random scores, and of whatever the network draws.

    Returns:
        By name and of the parameters' shapes; the higher, the sooner kept.

    Raises:
        InputError: Unknown criterion or option, or data that it needs are missing.
    """
    chosen, options = resolve(CRITERIA, criterion)
    batches = batches_of(data, next(model.parameters()).device)
    if "data" in chosen.needs and not batches:
        raise InputError(f"criterion {chosen.name!r}: needs data, a batch (inputs, targets)")
    with global_stream(seed, "criterion"), torch.enable_grad():
        return chosen.score(model, names, Context(batches, loss or default_loss, seed), options)


def default_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross-entropy for whole numbers, else the mean squared error."""
    if targets.is_floating_point():
        return mse_loss(outputs, targets)
    return cross_entropy(outputs, targets)
