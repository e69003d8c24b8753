"""SynFlow: how much of the flow through the network passes each weight."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from thalweg.errors import InputError
from thalweg.sparsity.allocation.scope import Scores
from thalweg.sparsity.criteria.criterion import Context, Criterion, scratch
from thalweg.validation import Options


class SynFlowOptions(Options):
    """``shape``: of one input, by default that of the data; ``double``: compute in double
    precision, since the flow of a deep network overflows single precision.
    """

    shape: list[Annotated[int, Field(ge=1)]] | None = Field(default=None, min_length=1)
    double: bool = True


def synflow(
    model: nn.Module, names: Sequence[str], context: Context, options: SynFlowOptions
) -> Scores:
    """Return |w · ∂R/∂w|, R being the sum of the network's outputs for an input of ones, taken at
    |θ| of all parameters and buffers in evaluation mode.

    As in the authors' program, biases and activation functions take part as they are. The score is
    meant for many rounds, in which the fraction kept falls exponentially: in one, at high
    sparsity, whole layers would vanish. Tanaka et al., arXiv:2006.05467.

    Raises:
        InputError: The shape of an input is not known.
    """
    if options.shape is not None:
        shape = torch.Size(options.shape)
    elif context.batches:
        shape = context.batches[0][0].shape[1:]
    else:
        raise InputError(
            "criterion 'synflow': needs the shape of one input, by its option shape or by data"
        )
    module, weights = scratch(model, names)
    module.eval()
    if options.double:
        module.double()
        weights = [module.get_parameter(name) for name in names]
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.abs_()
    flow = module(torch.ones(1, *shape, dtype=weights[0].dtype, device=weights[0].device)).sum()
    gradient = torch.autograd.grad(flow, weights, materialize_grads=True)
    with torch.no_grad():
        products = [(w * g).abs() for w, g in zip(weights, gradient, strict=True)]
    return dict(zip(names, products, strict=True))


SYNFLOW = Criterion(
    "synflow",
    "|w · ∂R/∂w| of the flow R through |θ|, in 100 rounds",
    "Tanaka et al., Pruning neural networks without any data, arXiv:2006.05467",
    ("gradients", "shape"),
    SynFlowOptions,
    synflow,
    rounds=100,
)
