"""Exactly so many of the largest."""

import torch
from torch import Tensor


def largest(scores: Tensor, count: int) -> Tensor:
    """Return a boolean mask ``(n,)`` of exactly ``count`` largest scores.

    Of equal scores the first by index are taken, so that the choice is the same everywhere.

    Args:
        scores: ``(n,)``.
        count: 0 to n.
    """
    n = len(scores)
    if count <= 0:
        return torch.zeros(n, dtype=torch.bool, device=scores.device)
    if count >= n:
        return torch.ones(n, dtype=torch.bool, device=scores.device)
    least = scores.kthvalue(n - count + 1).values
    chosen = scores > least
    ties = scores == least
    return chosen | (ties & (ties.cumsum(0) <= count - chosen.sum()))
