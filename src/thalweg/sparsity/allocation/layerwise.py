"""The same density in every layer."""

from collections.abc import Mapping

from torch import Tensor

from thalweg.sparsity.allocation.counting import (
    available,
    largest_of_each,
    proportional,
    rounded,
    total,
)
from thalweg.sparsity.allocation.scope import NoOptions, Scope
from thalweg.sparsity.masks import Masks


def layerwise(scores: Mapping[str, Tensor], keep: float, options: NoOptions) -> Masks:
    """Return masks of the largest scores of each layer, k_l ≈ keep · N_l of them.

    k_l is rounded by largest remainders, so that the total is ⌊keep · N⌋.
    """
    whole = total(scores, keep)
    sizes = [s.numel() for s in scores.values()]
    return largest_of_each(scores, rounded(proportional(sizes, available(scores), whole), whole))


LAYERWISE = Scope("layerwise", "the same density in every layer", "", NoOptions, layerwise)
