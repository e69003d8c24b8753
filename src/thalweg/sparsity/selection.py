"""Exactly so many of the largest."""

import numpy as np
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
    return _on_cpu(scores, count) if scores.device.type == "cpu" else _on_device(scores, count)


def _on_cpu(scores: Tensor, count: int) -> Tensor:
    """NumPy's partition takes a tenth of the time of PyTorch's ``kthvalue`` or ``topk``."""
    if scores.dtype == torch.bfloat16:  # which NumPy does not know
        scores = scores.float()
    values, start = scores.detach().numpy(), len(scores) - count
    least = np.partition(values, start)[start]
    chosen = values >= least
    surplus = np.count_nonzero(chosen) - count
    if surplus > 0:
        chosen[np.flatnonzero(values == least)[-surplus:]] = False
    return torch.from_numpy(chosen)


def _on_device(scores: Tensor, count: int) -> Tensor:
    least = scores.kthvalue(len(scores) - count + 1).values
    chosen = scores > least
    ties = scores == least
    return chosen | (ties & (ties.cumsum(0) <= count - chosen.sum()))
