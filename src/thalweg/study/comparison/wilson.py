"""The interval of a share."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri


def wilson_interval(
    shares: ArrayLike, runs: ArrayLike, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the ends of Wilson's interval (JASA 22, 1927) of shares F of n runs,

        (F + z²/2n ± z·√(F(1 − F)/n + z²/4n²)) / (1 + z²/n),

    with a normal quantile z. Unlike a bootstrap's it has a width where all runs, or none, count.

    Args:
        shares: F in [0, 1].
        runs: n above 0, whole or not, one or one a share.
        level: Confidence level in (0, 1).
    """
    f, n = np.asarray(shares, dtype=float), np.asarray(runs, dtype=float)
    z = float(ndtri((1 + level) / 2))
    middle = f + z**2 / (2 * n)
    half = z * np.sqrt(f * (1 - f) / n + (z / (2 * n)) ** 2)
    whole = 1 + z**2 / n
    return np.clip((middle - half) / whole, 0, 1), np.clip((middle + half) / whole, 0, 1)
