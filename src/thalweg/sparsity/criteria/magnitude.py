"""Magnitude: the larger weights stay."""

from collections.abc import Sequence

from torch import nn

from thalweg.sparsity.allocation.scope import NoOptions, Scores
from thalweg.sparsity.criteria.criterion import Context, Criterion


def magnitude(
    model: nn.Module, names: Sequence[str], context: Context, options: NoOptions
) -> Scores:
    """Return |w|. Han et al., arXiv:1506.02626."""
    return {name: model.get_parameter(name).detach().abs() for name in names}


MAGNITUDE = Criterion(
    "magnitude",
    "|w|",
    "Han et al., Learning both Weights and Connections, arXiv:1506.02626",
    (),
    NoOptions,
    magnitude,
)
