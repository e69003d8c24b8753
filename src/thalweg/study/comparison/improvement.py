"""How often one arm is better than another."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.study.comparison.bootstrap import RESAMPLES, draws
from thalweg.study.statistics import percentiles


@dataclass(frozen=True)
class Estimate:
    """A figure with its bootstrap interval.

    Attributes:
        value: The figure.
        low: Lower end; None with fewer than two seeds.
        high: Upper end; None with fewer than two seeds.
    """

    value: float
    low: float | None
    high: float | None


def probability_of_improvement(
    first: ArrayLike,
    second: ArrayLike,
    higher_is_better: bool,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return the probability that a run of ``first`` is better than one of ``second``.

        P(X ≻ Y) = mean over i, j of [xᵢ better than yⱼ] + ½·[xᵢ = yⱼ],

    the Mann–Whitney statistic over its largest value (Agarwal et al., "Deep reinforcement learning
    at the edge of the statistical precipice", NeurIPS 2021, section 4.3). It asks only for the
    order, so diverged runs count as the worst and equal to each other. The interval is a percentile
    bootstrap over seeds, both arms' runs of a seed drawn together.

    Args:
        first: One a seed; ±inf for a diverged run.
        second: The same of the other arm, in the same order of seeds.
        higher_is_better: True for an accuracy, False for a loss.
        level: Confidence level in (0, 1).
        resamples: Number of bootstrap resamples.
        seed: Seed of the NumPy generator.
    """
    sign = 1 if higher_is_better else -1
    x, y = sign * np.asarray(first, dtype=float), sign * np.asarray(second, dtype=float)
    n = x.size
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    value = float(wins.mean())
    if n < 2:
        return Estimate(value, None, None)
    positions = draws(n, resamples, seed) + n * np.arange(resamples)[:, None]
    times = np.bincount(positions.ravel(), minlength=n * resamples).reshape(resamples, n)
    interval = percentiles(((times @ wins) * times).sum(axis=1) / n**2, level)
    return Estimate(value, *(interval or (None, None)))
