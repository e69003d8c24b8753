"""What share of an arm's runs is better than a threshold, for every threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri


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
    al., NeurIPS 2021, section 4.2). Its band is Wilson's (JASA 22, 1927), with a normal quantile z,

        (F + z²/2n ± z·√(F(1 − F)/n + z²/4n²)) / (1 + z²/n),

    because a bootstrap of few runs has no width where all of them, or none, are better. A diverged
    run is better than no threshold.

    Args:
        values: One a run; ±inf for a diverged run.
        thresholds: τ, any number of them.
        higher_is_better: True for an accuracy, False for a loss.
        level: Confidence level in (0, 1), of each threshold by itself.
    """
    x, tau = np.asarray(values, dtype=float), np.asarray(thresholds, dtype=float)
    better = (x[:, None] > tau) if higher_is_better else (x[:, None] < tau)
    shares = better.mean(axis=0)
    n, z = x.size, float(ndtri((1 + level) / 2))
    middle = shares + z**2 / (2 * n)
    half = z * np.sqrt(shares * (1 - shares) / n + (z / (2 * n)) ** 2)
    low, high = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    return Profile(tau, shares, np.clip(low, 0, 1), np.clip(high, 0, 1))
