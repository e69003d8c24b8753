"""Norms of one parameter of each run, for rules that scale a step by the size of what it moves."""

import torch
from torch import Tensor

from thalweg.optim.rule import Value


def run_norms(x: Tensor) -> Value:
    """Return the 2-norm of each run's part ``(K, *shape)``, shaped to broadcast; a number
    for a single run on the CPU, where reading it waits for nothing.
    """
    if len(x) == 1 and not x.is_cuda:
        return float(torch.linalg.vector_norm(x))
    norms: Tensor = torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim)), keepdim=True)
    return norms


def trust_ratio(weight: Value, step: Value, below: Value) -> Value:
    """Return ``weight / below``, but 1 for the runs where the norm of weight or step is 0."""
    if isinstance(weight, Tensor) and isinstance(step, Tensor):
        return torch.where(torch.minimum(weight, step) > 0, weight / below, 1.0)
    return weight / below if weight > 0 and step > 0 else 1.0
