"""Truncated conjugate gradients, one linear system a run."""

from collections.abc import Callable

import torch
from torch import Tensor

from thalweg.optim.rule import Value


def conjugate_gradient(
    product: Callable[[Tensor, Tensor], Tensor], b: Tensor, iterations: int, tolerance: Value
) -> tuple[Tensor, Tensor]:
    """Solve A·x = b from x = 0, each run stopping for itself.

    A run stops (a) at a direction p with pᵀAp ≤ 0, and keeps x, or b if there is none yet; (b) when
    its residual is rounding; (c) by Martens' rule: with q(x) = ½·xᵀAx − bᵀx, after i iterations and
    k = max(10, ⌈i/10⌉), when q(xᵢ) < 0 and (q(xᵢ) − q(xᵢ₋ₖ)) / q(xᵢ) < k · tolerance.

    Args:
        product: Gives A·v, ``(K, D)``, from v and which runs still need it, ``(K, 1)``.
        b: Right sides, ``(K, D)``.
        iterations: At most so many products.
        tolerance: Relative progress an iteration below which a run stops.

    Returns:
        The solutions x and A·x, each ``(K, D)``.

    Source: Martens, ICML 2010, section 4.4; for (a) Nocedal & Wright, Numerical Optimization,
    algorithm 7.1.
    """
    x, Ax = torch.zeros_like(b), torch.zeros_like(b)
    r, p = b.clone(), b.clone()
    rr = _dot(r, r)
    smallest = rr * torch.finfo(b.dtype).eps ** 2
    active = rr > 0
    models: list[Tensor] = []
    for i in range(iterations):
        if not bool(active.any()):
            break
        Ap = product(p, active)
        curvature = _dot(p, Ap)
        convex = curvature > 0
        if i == 0:
            x = torch.where(active & ~convex, b, x)
            Ax = torch.where(active & ~convex, Ap, Ax)
        active = active & convex
        length = torch.where(active, rr / curvature, 0)
        x = torch.where(active, x + length * p, x)
        Ax = torch.where(active, Ax + length * Ap, Ax)
        r = torch.where(active, r - length * Ap, r)
        before, rr = rr, _dot(r, r)
        models.append(_dot(x, Ax) / 2 - _dot(b, x))
        active = active & (rr > smallest)
        k = max(10, -(-(i + 1) // 10))
        if i >= k:
            progress = (models[i] - models[i - k]) / models[i]
            active = active & ~((models[i] < 0) & (progress < k * tolerance))
        p = r + rr / before * p
    return x, Ax


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Return each run's inner product, a column ``(K, 1)``."""
    return (x * y).sum(1, keepdim=True)
