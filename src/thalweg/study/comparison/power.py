"""How many seeds a comparison takes."""

import math

import numpy as np
from scipy.special import chdtri, nctdtr, stdtrit

MOST = 100_000
"""Seeds beyond which no number is given."""


def paired_power(effect: float, deviation: float, seeds: int, level: float = 0.95) -> float:
    """Return the probability that a paired t test resolves a mean difference.

    t has n − 1 degrees of freedom and noncentrality δ = effect·√n/σ, so

        power = P(|t(n−1, δ)| > t(n−1, (1 + level)/2))

    (Johnson and Welch, Biometrika 31, 1940). Exact for normal differences.

    Args:
        effect: True mean of the differences.
        deviation: Their standard deviation σ, in the same unit, above 0.
        seeds: Number n of seeds, at least 2.
        level: One less the size of the two-sided test.
    """
    freedom = seeds - 1
    bound = float(stdtrit(freedom, (1 + level) / 2))
    delta = abs(effect) * math.sqrt(seeds) / deviation
    if delta > 30 + 2 * bound:  # out of the reach of the noncentral t's series
        return 1.0
    above = 1 - float(nctdtr(freedom, delta, bound))
    below = float(nctdtr(freedom, delta, -bound))
    return above + (below if math.isfinite(below) else 0.0)


def seeds_needed(
    effect: float, deviation: float, power: float = 0.8, level: float = 0.95
) -> int | None:
    """Return the fewest seeds at which `paired_power` is as asked; None beyond `MOST`.

    No fewer than 2, as one seed has no deviation.
    """
    if effect == 0 or paired_power(effect, deviation, MOST, level) < power:
        return None
    low, high = 1, 2
    while paired_power(effect, deviation, high, level) < power:
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        if paired_power(effect, deviation, middle, level) < power:
            low = middle
        else:
            high = middle
    return high


def deviation_interval(deviation: float, seeds: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a standard deviation, s·√((n − 1)/χ²(n − 1)) at both tails.

    Exact for normal values, and sensitive to other distributions.
    """
    freedom = seeds - 1
    low, high = (chdtri(freedom, tail) for tail in ((1 - level) / 2, (1 + level) / 2))
    return (
        float(deviation * np.sqrt(freedom / low)),
        float(deviation * np.sqrt(freedom / high)),
    )
