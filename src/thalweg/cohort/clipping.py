"""Gradient clipping, each run by its own norm."""

import torch
from torch import Tensor


def clip_rows_(G: Tensor, limit: float | Tensor) -> Tensor:
    """Scale each row of G to a norm of at most ``limit``, in place, before the step.

    g ← g · min(1, limit / (‖g‖₂ + 1e-6)), the rule of ``torch.nn.utils.clip_grad_norm_``, a row
    being one run's whole gradient.

    Args:
        G: ``(K, D)``.
        limit: One bound, or a column ``(K, 1)`` of one a run (infinite: not clipped).

    Returns:
        The norms before, ``(K,)``.
    """
    norms: Tensor = torch.linalg.vector_norm(G, dim=1, keepdim=True)
    G.mul_((limit / (norms + 1e-6)).clamp_(max=1.0))
    return norms.squeeze(1)
