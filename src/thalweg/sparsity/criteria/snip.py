"""SNIP: how much the loss would change with each weight."""

from collections.abc import Sequence

import torch
from torch import nn

from thalweg.sparsity.allocation.scope import NoOptions, Scores
from thalweg.sparsity.criteria.criterion import Context, Criterion, scratch
from thalweg.sparsity.criteria.gradient import mean_gradient


def snip(model: nn.Module, names: Sequence[str], context: Context, options: NoOptions) -> Scores:
    """Return |w · ∂L/∂w|, L the mean loss over all examples.

    The network runs in the mode, training or evaluation, that it is in. Lee et al.,
    arXiv:1810.02340; on a trained network it is the gradient magnitude pruning of ShrinkBench,
    Blalock et al., arXiv:2003.03033.
    """
    module, weights = scratch(model, names)
    gradient = mean_gradient(module, weights, context.batches, context.loss)
    with torch.no_grad():
        products = [(w * g).abs() for w, g in zip(weights, gradient, strict=True)]
    return dict(zip(names, products, strict=True))


SNIP = Criterion(
    "snip",
    "|w · ∂L/∂w|",
    "Lee et al., SNIP, arXiv:1810.02340",
    ("data", "gradients"),
    NoOptions,
    snip,
)
