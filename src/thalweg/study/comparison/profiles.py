"""What share of an arm's runs is better than a threshold, for every threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thalweg.study.comparison.wilson import wilson_interval


@dataclass(frozen=True)
class Profile:
    """A performance profile.

    Attributes:
        thresholds: In the metric's unit.
        shares: Share of the runs that are better, one a threshold.
        low: Lower ends of its pointwise interval.
        high: Upper ends.
    """

    thresholds: NDArray[np.float64]
    shares: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def performance_profile(
    values: ArrayLike, thresholds: ArrayLike, higher_is_better: bool, level: float = 0.95
) -> Profile:
    """Return the share of n runs better than τ: above it for an accuracy, below it for a loss.

    F(τ) = #{i : xᵢ better than τ}/n (Dolan and Moré, Mathematical Programming 91, 2002; Agarwal et
    al., NeurIPS 2021, section 4.2), with Wilson's interval as its band. A diverged run is better
    than no threshold.

    Args:
        values: One a run; ±inf for a diverged run.
        thresholds: τ, any number of them.
        higher_is_better: True for an accuracy, False for a loss.
        level: Confidence level in (0, 1), of each threshold by itself.
    """
    x, tau = np.asarray(values, dtype=float), np.asarray(thresholds, dtype=float)
    better = (x[:, None] > tau) if higher_is_better else (x[:, None] < tau)
    shares = better.mean(axis=0)
    return Profile(tau, shares, *wilson_interval(shares, x.size, level))
