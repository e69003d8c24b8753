"""Norms of one parameter of each run, for rules that scale a step by the size of what it moves."""

import torch
from torch import Tensor


def run_norms(x: Tensor) -> Tensor:
    """Return the 2-norm of each run's part ``(K, *shape)``, shaped to broadcast against it."""
    norms: Tensor = torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim)), keepdim=True)
    return norms


def where_both(first: Tensor, second: Tensor, ratio: Tensor) -> Tensor:
    """Return ``ratio``, but 1 for the runs where one of two norms is 0."""
    return torch.where(torch.minimum(first, second) > 0, ratio, 1.0)
