"""Gradients and Hessian-gradient products over several batches."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from thalweg.sparsity.criteria.criterion import Batch, Loss


def mean_gradient(
    module: nn.Module, weights: Sequence[Tensor], batches: Sequence[Batch], loss: Loss
) -> list[Tensor]:
    """Return the gradient of the mean loss over all examples with respect to each weight."""
    total = [torch.zeros_like(w) for w in weights]
    for part in _parts(module, batches, loss):
        gradient = torch.autograd.grad(part, weights, materialize_grads=True)
        for t, g in zip(total, gradient, strict=True):
            t += g
    return total


def hessian_product(
    module: nn.Module,
    weights: Sequence[Tensor],
    direction: Sequence[Tensor],
    batches: Sequence[Batch],
    loss: Loss,
) -> list[Tensor]:
    """Return the Hessian of the mean loss with respect to the weights times a direction."""
    total = [torch.zeros_like(w) for w in weights]
    for part in _parts(module, batches, loss):
        gradient = torch.autograd.grad(part, weights, create_graph=True, materialize_grads=True)
        slope = sum((g * v).sum() for g, v in zip(gradient, direction, strict=True))
        assert isinstance(slope, Tensor)
        if not slope.requires_grad:
            continue  # the loss is linear in the weights
        for t, h in zip(
            total, torch.autograd.grad(slope, weights, materialize_grads=True), strict=True
        ):
            t += h
    return total


def _parts(module: nn.Module, batches: Sequence[Batch], loss: Loss) -> Iterator[Tensor]:
    """Yield each batch's share of the mean loss: batches count by their examples."""
    examples = sum(len(inputs) for inputs, _ in batches)
    for inputs, targets in batches:
        yield loss(module(inputs), targets) * (len(inputs) / examples)
