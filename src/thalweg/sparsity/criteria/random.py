"""Random scores, the control of every criterion."""

from collections.abc import Sequence

import torch
from torch import nn

from thalweg.randomness import generator
from thalweg.sparsity.allocation.scope import NoOptions, Scores
from thalweg.sparsity.criteria.criterion import Context, Criterion


def random(model: nn.Module, names: Sequence[str], context: Context, options: NoOptions) -> Scores:
    """Return numbers uniform in [0, 1).

    A parameter's depend on the seed, its name and its shape, not on which others are scored.
    """
    return {
        name: torch.rand(  # float64: among 2²⁴ values of float32 a large layer has many ties
            weight.shape, generator=generator(context.seed, f"scores/{name}"), dtype=torch.float64
        ).to(weight.device)
        for name in names
        for weight in [model.get_parameter(name)]
    }


RANDOM = Criterion("random", "uniform random numbers", "", (), NoOptions, random)
