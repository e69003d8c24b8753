"""Erdős–Rényi–Kernel: small layers denser than large ones."""

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


def erk(scores: Mapping[str, Tensor], keep: float, options: NoOptions) -> Masks:
    """Return masks of the largest scores of each layer at density min(1, ε · Σdims / Πdims).

    dims are those of the weight: outputs and inputs, and for a convolution the kernel's. ε is
    solved for ⌊keep · N⌋ weights in all, again whenever a layer would pass density 1; numbers are
    rounded by largest remainders. Evci et al., arXiv:1911.11134; Mocanu et al., Nature
    Communications 9 (2018).
    """
    whole = total(scores, keep)
    # A layer has Πdims weights, so its number is ε · Σdims.
    sums = [sum(s.shape) for s in scores.values()]
    return largest_of_each(scores, rounded(proportional(sums, available(scores), whole), whole))


ERK = Scope(
    "erk",
    "density of a layer ∝ Σdims / Πdims (Erdős–Rényi–Kernel)",
    "Evci et al., Rigging the Lottery, arXiv:1911.11134",
    NoOptions,
    erk,
)
