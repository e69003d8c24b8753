"""Whole numbers of weights: how many stay in all, how many a layer gets, and which these are."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from torch import Tensor

from thalweg.sparsity.masks import Masks
from thalweg.sparsity.selection import largest


def kept(keep: float, weights: int) -> int:
    """Return ⌊keep · weights⌋, of the decimal fraction that was meant."""
    return math.floor(keep * weights + 1e-6)  # 1 − 0.8 is 0.19999999999999996 in binary


def available(scores: Mapping[str, Tensor]) -> list[int]:
    """Return how many weights of each parameter may be kept."""
    return [int((values > -math.inf).sum()) for values in scores.values()]


def total(scores: Mapping[str, Tensor], keep: float) -> int:
    """Return how many weights stay in all."""
    return kept(keep, sum(values.numel() for values in scores.values()))


def proportional(weights: Sequence[int], capacity: Sequence[int], whole: int) -> list[Fraction]:
    """Return quotas min(c_l, λ·a_l) that sum to ``whole``.

    Args:
        weights: a_l > 0.
        capacity: c_l; they sum to at least ``whole``.
        whole: What is shared out.
    """
    quotas = [Fraction(c) for c in capacity]
    open_ = list(range(len(weights)))
    left = whole
    while open_:
        scale = Fraction(left, sum(weights[i] for i in open_))
        full = [i for i in open_ if scale * weights[i] > capacity[i]]
        if not full:
            for i in open_:
                quotas[i] = scale * weights[i]
            break
        left -= sum(capacity[i] for i in full)
        open_ = [i for i in open_ if i not in full]
    return quotas


def rounded(quotas: Sequence[Fraction] | Sequence[float], whole: int) -> list[int]:
    """Return whole numbers that sum to ``whole`` by the method of largest remainders.

    Each quota is rounded down; what is left goes, one each, to the largest remainders, of equal
    ones to the first.
    """
    counts = [math.floor(quota) for quota in quotas]
    order = sorted(range(len(quotas)), key=lambda i: counts[i] - quotas[i])
    for i in order[: whole - sum(counts)]:
        counts[i] += 1
    return counts


def largest_of_each(scores: Mapping[str, Tensor], counts: Sequence[int]) -> Masks:
    """Return masks of so many of the largest scores of each parameter, of equal ones the first."""
    return {
        name: largest(values.flatten(), count).view(values.shape)
        for (name, values), count in zip(scores.items(), counts, strict=True)
    }
