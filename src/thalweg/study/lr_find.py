"""A first guess of the learning rate from one ramp of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thalweg.study.ranges import Range

SMOOTHING = 0.9
"""Weight of the past in the running mean of the losses: a mean over some ten steps."""

BLOWN_UP = 4.0
"""The ramp is over where the smoothed loss exceeds its least so many times over."""

LEAST_FALL = 0.01
"""Share of the first loss by which the smoothed one must fall for there to be a guess."""

DECADES = 1
"""Powers of ten to either side of the guess that the suggested grid reaches."""

POINTS = 9


@dataclass(frozen=True)
class RampGuess:
    """What a ramp suggests. It is a guess: the best learning rate of a whole training is another.

    Attributes:
        lr: Where the smoothed loss falls steepest against the logarithm of the learning rate.
        blown_up: Where the smoothed loss exceeded four times its least, or was not finite; None
            where the ramp ended before.
        grid: A grid for a sweep: a power of ten to either side, ending before ``blown_up``.
    """

    lr: float
    blown_up: float | None
    grid: Range


def smoothed(losses: ArrayLike) -> NDArray[np.float64]:
    """Return ``m_t/(1 - β^t)`` with ``m_t = β·m_(t-1) + (1 - β)·loss_t``, t from 1, β = 0.9."""
    m = 0.0
    means = []
    for t, loss in enumerate(np.asarray(losses, dtype=float).tolist(), 1):
        m = SMOOTHING * m + (1 - SMOOTHING) * loss
        means.append(m / (1 - SMOOTHING**t))
    return np.array(means)


def guess(rates: ArrayLike, losses: ArrayLike) -> RampGuess | None:
    """Read a ramp (Smith, arXiv:1506.01186).

    Args:
        rates: Learning rate of each step, rising.
        losses: Mean over seeds of the minibatch loss at each step, before the step is taken.

    Returns:
        None where the smoothed loss does not fall by a hundredth.
    """
    x = np.asarray(rates, dtype=float)
    y = smoothed(losses)
    with np.errstate(invalid="ignore"):
        over = ~(y <= BLOWN_UP * np.fmin.accumulate(y))
    end = int(over.argmax()) if over.any() else y.size
    if end < 3 or y[:end].min() > (1 - LEAST_FALL) * y[0]:
        return None
    slope = np.gradient(y[:end], np.log(x[:end]))
    steepest = int(slope.argmin())
    blown_up = float(x[end]) if end < y.size else None
    lr = float(f"{x[steepest]:.2g}")
    high = lr * 10**DECADES if blown_up is None else min(lr * 10**DECADES, max(blown_up, 2 * lr))
    grid = Range(float(f"{lr / 10**DECADES:.1g}"), float(f"{high:.1g}"), POINTS)
    return RampGuess(lr, blown_up, grid)
