"""Bootstrap intervals over seeds."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

RESAMPLES = 5000
"""Resamples of every interval here; the 2.5 % point then rests on 125 of them."""

Band = tuple[float, float]


def draws(count: int, resamples: int = RESAMPLES, seed: int = 0) -> NDArray[np.int64]:
    """Return resamples × count positions, drawn with replacement from ``count``."""
    return np.random.default_rng(seed).integers(count, size=(resamples, count))


def bca_interval(
    values: ArrayLike, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Band | None:
    """Return the bias-corrected and accelerated bootstrap interval of a mean.

    With B resampled means, z₀ = Φ⁻¹(share of them below the mean, equal ones half) and
    a = Σd³/(6·(Σd²)^1.5) over the deviations d from the mean, the ends are the percentiles

        Φ(z₀ + (z₀ ± z)/(1 − a·(z₀ ± z))),    z = Φ⁻¹((1 + level)/2)

    (Efron, "Better bootstrap confidence intervals", JASA 82, 1987). It is in the values' unit. With
    few values it is too narrow: see docs/statistics.md.

    Args:
        values: One a seed.
        level: Confidence level in (0, 1).
        resamples: Number of resamples B.
        seed: Seed of the NumPy generator.

    Returns:
        None for fewer than two values, and where one is infinite.
    """
    x = np.asarray(values, dtype=float)
    if x.size < 2 or not np.isfinite(x).all():
        return None
    mean = x.mean()
    deviations = x - mean
    spread = float((deviations**2).sum())
    if spread == 0:
        return float(mean), float(mean)
    found = deviations[draws(x.size, resamples, seed)].mean(axis=1)
    rounding = 1e-12 * np.sqrt(spread)  # sums of the same numbers in another order are equal
    below = np.mean(found < -rounding) + np.mean(np.abs(found) <= rounding) / 2
    # A bootstrap without a mean on one side (equal values but one) has no finite correction.
    bias = ndtri(np.clip(below, 1 / resamples, 1 - 1 / resamples))
    acceleration = (deviations**3).sum() / (6 * spread**1.5)
    shifted = bias + ndtri([(1 - level) / 2, (1 + level) / 2])
    shares = ndtr(bias + shifted / (1 - acceleration * shifted))
    low, high = mean + np.quantile(found, shares)
    return float(low), float(high)
