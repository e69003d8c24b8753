"""Ideal gas quotas: every layer is compressed by the same force."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from thalweg.sparsity.allocation.counting import available, largest_of_each, rounded, total
from thalweg.sparsity.allocation.scope import NoOptions, Scope
from thalweg.sparsity.masks import Masks


def igq(scores: Mapping[str, Tensor], keep: float, options: NoOptions) -> Masks:
    """Return masks of the largest scores of each layer, k_l ≈ N_l / (f · N_l + 1) of them.

    The force f is solved for ⌊keep · N⌋ weights in all; numbers are rounded by largest remainders.
    Vysogorets & Kempe, arXiv:2107.02306.
    """
    whole = total(scores, keep)
    sizes = [s.numel() for s in scores.values()]
    return largest_of_each(scores, rounded(_quotas(sizes, available(scores), whole), whole))


def _quotas(sizes: Sequence[int], capacity: Sequence[int], whole: int) -> list[float]:
    if whole == 0:
        return [0.0] * len(sizes)

    def quotas(force: float) -> list[float]:
        return [min(c, n / (force * n + 1)) for n, c in zip(sizes, capacity, strict=True)]

    def excess(force: float) -> float:
        return sum(quotas(force)) - whole

    if excess(0) <= 0:
        return quotas(0)
    # A quota is less than 1/f, so at f = layers/whole the sum is less than the whole.
    from scipy.optimize import brentq  # takes half a second to import

    return quotas(brentq(excess, 0, len(sizes) / whole, xtol=1e-300, rtol=1e-14))


IGQ = Scope(
    "igq",
    "N_l / (f·N_l + 1) weights of a layer, f the same for all (ideal gas quotas)",
    "Vysogorets & Kempe, Connectivity Matters, arXiv:2107.02306",
    NoOptions,
    igq,
)
