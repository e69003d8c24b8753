"""What dead units emit, and which units may go."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import gelu

from thalweg.native.layers import Layer
from thalweg.sparsity.connectivity.network import Network, Stage
from thalweg.sparsity.connectivity.reachability import reachability

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": gelu}


def constants(network: Network) -> list[Tensor]:
    """Return what each stage hands to the next, ``(units,)`` in double precision.

    A unit whose output is one number, the same for every input, at every position and at every
    step, has that number; any other has NaN.
    """
    found = []
    first = network.stages[0]
    given = first.weight.new_full((first.sources,), torch.nan, dtype=torch.float64)
    followers = [stage.before for stage in network.stages[1:]] + [network.after]
    for stage, after in zip(network.stages, followers, strict=True):
        given = _activated(_steady(stage, given), after)
        found.append(given)
    return found


def kept_units(network: Network, emitted: Sequence[Tensor]) -> list[Tensor]:
    """Return which units must stay, boolean ``(units,)`` a stage.

    What goes are units that no output depends on, and constants that the next stage's bias can
    take over exactly. Constants other than zero stay where it cannot: in front of a convolution
    with padding, whose border sees fewer of them, and in a recurrent layer where another unit
    reads them from the step before, since the state before the first step is zero.

    The outputs stay, and at least one unit of every stage: PyTorch's layers have no empty form.
    """
    used = reachability(network).used
    kept = []
    inner = zip(network.stages[:-1], network.stages[1:], emitted[:-1], used[:-1], strict=True)
    for stage, later, value, needed in inner:
        removable = value.isfinite()
        if any(later.layer.padding):
            removable &= value == 0
        if stage.state_weight is not None:
            removable &= (value == 0) | ~(stage.state_weight[needed] != 0).any(0)
        stays = needed & ~removable
        if not stays.any():
            stays[0] = True
        kept.append(stays)
    return [*kept, torch.ones_like(used[-1])]


def _steady(stage: Stage, given: Tensor) -> Tensor:
    """Return the stage's constant outputs, NaN elsewhere, from those of its sources."""
    if any(stage.layer.padding):
        given = given.where(given == 0, torch.nan)
    total = folded(stage, given, torch.ones_like(given, dtype=torch.bool))
    if stage.bias is not None:
        total = total + stage.bias.double()
    if stage.state_weight is None:
        return total
    value = ACTIVATIONS[stage.layer.activation](total)
    links = stage.state_weight != 0
    silent = value == 0
    while (disturbed := silent & links[:, ~silent].any(1)).any():
        silent &= ~disturbed
    return value.where(~links[:, ~silent].any(1), torch.nan)


def folded(stage: Stage, given: Tensor, chosen: Tensor) -> Tensor:
    """Return what some sources' constants add to each unit's sum, ``(units,)``.

    Args:
        stage: Of which these are the sources.
        given: Their constants ``(sources,)``.
        chosen: Which of them count, boolean ``(sources,)``.
    """
    product = stage.by_source.double().sum(-1) * given
    # A source without a link adds nothing, whatever it emits: 0 · NaN would.
    return product.where(stage.links & chosen, 0).sum(1)


def _activated(value: Tensor, layers: Sequence[Layer]) -> Tensor:
    """Apply activations; a pooling leaves a constant as it is."""
    for layer in layers:
        if layer.kind == "activation":
            value = ACTIVATIONS[layer.activation](value)
    return value
