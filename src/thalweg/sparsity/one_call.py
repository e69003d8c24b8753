"""Prune a module in one call."""

import copy
from collections.abc import Sequence
from typing import Any

from pydantic import Field
from torch import nn

from thalweg.errors import InputError
from thalweg.sparsity.allocation import SCOPES, select
from thalweg.sparsity.allocation.counting import kept
from thalweg.sparsity.criteria import CRITERIA, score
from thalweg.sparsity.criteria.criterion import Loss, batches_of
from thalweg.sparsity.masks import Masks, apply_masks
from thalweg.sparsity.named import Named, resolve
from thalweg.sparsity.prunable import prunable
from thalweg.validation import Options, validate


class PruneOptions(Options):
    """The numbers that `prune` takes."""

    target: float = Field(ge=0, lt=1)
    seed: int
    rounds: int | None = Field(ge=1)


def prune(
    model: nn.Module,
    target: float = 0.8,
    criterion: Named = "magnitude",
    scope: Named = "global",
    parameters: str | Sequence[str] | None = None,
    data: Any = None,
    loss: Loss | None = None,
    seed: int = 0,
    first: bool = True,
    last: bool = True,
    rounds: int | None = None,
) -> Masks:
    """Set the least important weights of a module to 0, in place, and return the masks.

    Of the N weights of all chosen parameters exactly ⌊(1 − target) · N⌋ stay. In round k of n
    the fraction (1 − target)^(k/n) stays and the weights left are scored anew.

        >>> masks = thalweg.sparsity.prune(model, 0.9, "snip", "erk", data=(images, labels))
        >>> thalweg.sparsity.hold(model, masks)  # and train as ever

    Args:
        model: The network; nothing but the chosen weights is changed.
        target: Fraction of the weights to remove, 0 ≤ target < 1.
        criterion: A name of `thalweg.sparsity.CRITERIA`, or a table of the name and its options
            such as ``{"name": "grasp", "temperature": 100}``.
        scope: A name of `thalweg.sparsity.SCOPES`, or a table as ``{"name": "nm", "m": 8}``.
        parameters: Shell-style patterns of parameter names; by default see
            `thalweg.sparsity.prunable`.
        data: One batch ``(inputs, targets)`` or several, where the criterion needs them.
        loss: ``(outputs, targets)`` → mean loss; by default cross-entropy where targets are whole
            numbers, and mean squared error where they are not.
        seed: Root seed of what is random.
        first: Whether to prune the first layer.
        last: Whether to prune the last layer.
        rounds: n; by default what the criterion is meant for, 1 for all but SynFlow, 100.

    Returns:
        Boolean tensors by parameter name.

    Raises:
        InputError: A value that is not allowed, a pattern that matches nothing, data missing, or
            scores that are not finite.
    """
    given = validate(PruneOptions, {"target": target, "seed": seed, "rounds": rounds})
    names = prunable(model, parameters, first, last)
    size = sum(model.get_parameter(name).numel() for name in names)
    keep = 1 - given.target
    if kept(keep, size) == 0:
        raise InputError(f"target = {target!r}: would leave none of the {size} weights")
    n = given.rounds or resolve(CRITERIA, criterion)[0].rounds
    if n > 1 and resolve(SCOPES, scope)[0].name == "nm":
        raise InputError(f"rounds = {n}: scope 'nm' takes its weights at once; must be 1")
    batches = batches_of(data, next(model.parameters()).device)
    module = copy.deepcopy(model)  # a round that fails leaves the model as it was
    masks = None
    for k in range(1, n + 1):
        scores = score(module, names, criterion, batches, loss, seed)
        masks = select(scores, keep if k == n else keep ** (k / n), scope, masks)
        apply_masks(module, masks)
    assert masks is not None
    apply_masks(model, masks)
    return masks
