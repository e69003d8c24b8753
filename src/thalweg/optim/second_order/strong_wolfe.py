"""A line search for the strong Wolfe conditions, each run for itself."""

from collections.abc import Callable

import torch
from torch import Tensor

SUFFICIENT_DECREASE = 1e-4

Evaluate = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From step lengths ``(K, 1)``, and which runs still search, to φ and its slope there, each
``(K, 1)``."""


def strong_wolfe(
    evaluate: Evaluate,
    value: Tensor,
    slope: Tensor,
    first: Tensor,
    curvature: float | Tensor,
    evaluations: int,
) -> Tensor:
    """Return for each run a step a with φ(a) ≤ φ(0) + 1e-4·a·φ'(0) and |φ'(a)| ≤ c·|φ'(0)|,
    the first of them to rounding.

    A bracket [low, high] is kept: low has sufficient decrease and falls on too steeply, high has
    not, or rises. Some point between them is acceptable. The next trial is where the slopes,
    interpolated linearly, vanish, kept a tenth of the bracket away from its ends; where φ is a
    quadratic the second trial is its minimum. Without a high the bracket at most grows tenfold.

    Args:
        evaluate: φ and its slope; called until the last run is done.
        value: φ(0), ``(K, 1)``.
        slope: φ'(0); a run whose slope is not negative takes no step.
        first: First trials.
        curvature: c, between 1e-4 and 1.
        evaluations: At most so many trials; then a run takes its low, which may be 0.

    Source: the conditions are those of Nocedal & Wright, Numerical Optimization, section 3.1.
    """
    low, high = torch.zeros_like(first), torch.full_like(first, torch.inf)
    low_slope, high_slope = slope, torch.full_like(first, torch.nan)
    done = ~(slope < 0)
    rounding = torch.finfo(value.dtype).eps * value.abs()
    trial = torch.where(done, 0, first)
    for _ in range(evaluations):
        if bool(done.all()):
            break
        there, rate = evaluate(trial, ~done)
        decreased = there <= value + rounding + SUFFICIENT_DECREASE * trial * slope
        flat = rate.abs() <= curvature * slope.abs()
        done = done | (decreased & flat)
        right = ~done & (~decreased | (rate > 0))
        left = ~done & ~right
        # A line that leaves the bracket says nothing: the slope at high counts where it rises.
        high_slope = torch.where(right, torch.where(rate > 0, rate, torch.nan), high_slope)
        high = torch.where(right, trial, high)
        previous, previous_slope = low, low_slope
        low, low_slope = torch.where(left, trial, low), torch.where(left, rate, low_slope)

        width = high - low
        root = low + width * low_slope / (low_slope - high_slope)
        root = torch.where(root.isfinite(), root, low + width / 2)
        inside = root.clamp(low + width / 10, high - width / 10)
        grown = low + (low - previous) * low_slope / (previous_slope - low_slope)
        grown = torch.where(grown > low, grown, torch.inf).clamp(1.1 * low, 10 * low)
        trial = torch.where(done, trial, torch.where(high.isfinite(), inside, grown))
    return torch.where(done, trial, low)
