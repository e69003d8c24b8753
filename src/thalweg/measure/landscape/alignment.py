"""Networks that differ by the order of their units, laid over one another."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.measure.subject import Subject
from thalweg.sparsity.connectivity.network import Architecture, Network, Stage, read_architecture

PASSES = 100
"""Most passes over the layers; each can only bring the networks closer."""


def align(
    module: nn.Module,
    shape: tuple[int, ...],
    reference: Mapping[str, Tensor],
    other: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Return ``other``'s parameters with its hidden units in the order that is nearest to the
    reference's. It computes what it did.

    Weight matching: the permutations P maximise Σ ⟨W_ref, P·W_other⟩ over all weights and biases,
    by solving one layer's assignment after the other while the others stand, until none changes
    (Ainsworth, Hayase & Srinivasa, arXiv:2209.04836). Zeros move with their units, and so do masks.

    Args:
        module: The architecture, a chain of known layers.
        shape: Of one input.
        reference: Parameters by name.
        other: The same of the network to be permuted.

    Raises:
        InputError: The network is no such chain.
    """
    architecture = read_architecture(module, shape)
    return permuted(architecture, other, find_permutations(architecture, reference, other))


def find_permutations(
    architecture: Architecture, reference: Mapping[str, Tensor], other: Mapping[str, Tensor]
) -> list[Tensor]:
    """Return for every hidden stage which of the other's units comes at each place."""
    from scipy.optimize import linear_sum_assignment  # takes half a second to import

    a, b = (architecture.network(_double(each)) for each in (reference, other))
    orders = [torch.arange(stage.units) for stage in a.stages[:-1]]
    for _ in range(PASSES):
        changed = False
        for index, order in enumerate(orders):
            gain = _gain(a, b, orders, index)
            _, columns = linear_sum_assignment(gain.numpy(), maximize=True)
            found = torch.from_numpy(np.asarray(columns))
            rows = torch.arange(len(found))
            # Of equals the one that stands stays, or the passes might never end.
            if gain[rows, found].sum() > gain[rows, order].sum() * (1 + 1e-12) + 1e-12:
                orders[index], changed = found, True
        if not changed:
            break
    return orders


def permuted(
    architecture: Architecture, parameters: Mapping[str, Tensor], orders: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return parameters with the units of every hidden stage in a new order."""
    found = {name: tensor.clone() for name, tensor in parameters.items()}
    stages = architecture.network(parameters).stages
    for index, stage in enumerate(stages):
        before = orders[index - 1] if index else None
        own = orders[index] if index < len(orders) else None
        found[stage.names[0]] = _reordered(stage, own, before).view_as(stage.weight)
        if own is not None:
            for name in stage.bias_names:
                found[name] = parameters[name][own]
            if stage.state_weight is not None:
                found[stage.names[1]] = stage.state_weight[own][:, own]
    return found


def aligned_subject(subject: Subject, first: int = 0, second: int = 1) -> Subject:
    """Return a subject of two of the networks, the second aligned with the first."""
    cohort = subject.cohort
    states = [cohort.state(row) for row in (first, second)]
    own = {name: states[1][name] for name in cohort.layout.names}
    states[1] |= align(cohort.module, subject.task.shape, states[0], own)
    rows = torch.tensor([first, second])
    there = cohort.elsewhere(cohort.W[rows], rows)
    for row, state in enumerate(states):
        there.load_state(row, state)
    return replace(subject, cohort=there, origins=())


def _gain(a: Network, b: Network, orders: Sequence[Tensor], index: int) -> Tensor:
    """Return what it brings to put unit j of the other network at place i, ``(units, units)``."""
    own, other = a.stages[index], b.stages[index]
    before = orders[index - 1] if index else None
    gain = own.by_source.flatten(1) @ _reordered(other, None, before).flatten(1).T
    if own.bias is not None and other.bias is not None:
        gain = gain + torch.outer(own.bias, other.bias)
    if own.state_weight is not None and other.state_weight is not None:
        order = orders[index]  # as it stands: both sides of W_hh are permuted by the same
        gain = gain + own.state_weight @ other.state_weight[:, order].T
        gain = gain + own.state_weight.T @ other.state_weight[order]
    after, follower = a.stages[index + 1], b.stages[index + 1]
    ahead = orders[index + 1] if index + 1 < len(orders) else None
    out = after.by_source.transpose(0, 1).flatten(1)
    return gain + out @ _reordered(follower, ahead, None).transpose(0, 1).flatten(1).T


def _reordered(stage: Stage, units: Tensor | None, sources: Tensor | None) -> Tensor:
    """Return the weights ``(units, sources, weights a connection)`` in another order."""
    weight = stage.by_source
    if units is not None:
        weight = weight[units]
    return weight if sources is None else weight[:, sources]


def _double(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().double() for name, tensor in parameters.items()}
