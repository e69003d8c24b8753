"""Whether the degrees of a graph fall off like a power law or exponentially."""

import math
from collections.abc import Callable

import numpy as np

from thalweg.measure.graphs.graph import Floats, Graph, Integers

TERMS = 100
"""Terms of a sum that are added up one by one."""

NAMES = (
    *("power_law_exponent", "power_law_ratio", "power_law_p"),
    *("power_law_distance", "exponential_distance"),
)


def degree_fit(graph: Graph) -> dict[str, float]:
    """Return a power law and an exponential fitted to the degrees k > 0, in- and out-degree
    together, and how the two compare.

    Both are distributions of whole numbers from the smallest degree m on, fitted by maximum
    likelihood: p(k) = k^(−α)/ζ(α, m), and p(k) = (1 − e^(−λ))·e^(−λ(k − m)) with
    λ = ln(1 + 1/(k̄ − m)). With ℓ_i the difference of the logarithms at the i-th of n degrees,

    - ``power_law_exponent`` is α;
    - ``power_law_ratio`` is Σℓ_i/(√n·σ(ℓ)): above 0 the power law is nearer, below 0 the
      exponential;
    - ``power_law_p`` is the probability of a ratio at least so far from 0 if neither is nearer;
    - ``power_law_distance`` and ``exponential_distance`` are the greatest differences between the
      cumulative distribution of the degrees and that of the law (Kolmogorov and Smirnov).

    All are NaN where fewer than two different degrees occur. That one of two is nearer does not
    say that it fits; see `goodness_of_fit`.

    Source: Clauset, Shalizi and Newman, SIAM Review 51 (2009); Vuong, Econometrica 57 (1989).
    """
    degrees = positive_degrees(graph)
    if not varies(degrees):
        return dict.fromkeys(NAMES, math.nan)
    smallest = int(degrees.min())
    law, rate = power_law(degrees), exponential(degrees)
    alpha, total = law
    differences = (
        -alpha * np.log(degrees / smallest)
        - math.log(total)
        - math.log(-math.expm1(-rate))
        + rate * (degrees - smallest)
    )
    ratio = float(differences.sum()) / (math.sqrt(len(degrees)) * float(differences.std()))
    return {
        "power_law_exponent": alpha,
        "power_law_ratio": ratio,
        "power_law_p": math.erfc(abs(ratio) / math.sqrt(2)),
        "power_law_distance": distance(degrees, power_law_shares(law, smallest)),
        "exponential_distance": distance(degrees, exponential_shares(rate)),
    }


def positive_degrees(graph: Graph) -> Integers:
    """Return the degrees above 0, in- and out-degree together."""
    degrees = graph.in_degrees + graph.out_degrees
    return degrees[degrees > 0]


def varies(degrees: Integers) -> bool:
    """Return whether there are two different ones, so that laws can be fitted."""
    return len(degrees) > 0 and bool(np.ptp(degrees))


Shares = Callable[[int], Floats]
"""``count`` → the shares of m, m + 1, … under a law, ``(count,)``, m being its smallest degree."""


def power_law_shares(law: tuple[float, float], smallest: int) -> Shares:
    """Return those of what `power_law` has fitted."""
    alpha, total = law

    def shares(count: int) -> Floats:
        found: Floats = np.exp(-alpha * np.log1p(np.arange(count) / smallest)) / total
        return found

    return shares


def exponential_shares(rate: float) -> Shares:
    """Return those of what `exponential` has fitted."""

    def shares(count: int) -> Floats:
        found: Floats = -math.expm1(-rate) * np.exp(-rate * np.arange(count))
        return found

    return shares


def distance(degrees: Integers, shares: Shares) -> float:
    """Return the greatest difference between the cumulative distribution of degrees, at least two
    of them different, and that of a law from the smallest on.
    """
    above = degrees - degrees.min()
    count = int(above.max()) + 1
    observed = np.bincount(above, minlength=count) / len(degrees)
    return float(np.abs((observed - shares(count)).cumsum()).max())


def exponential(degrees: Integers) -> float:
    """Return the λ that maximises the likelihood of at least two different degrees."""
    return math.log1p(1 / float(degrees.mean() - degrees.min()))


def power_law(degrees: Integers) -> tuple[float, float]:
    """Return the α > 1 that maximises −α·Σ ln k_i − n·ln ζ(α, m), with m the smallest of at least
    two different degrees k_i > 0, and m^α·ζ(α, m).
    """
    from scipy.optimize import brentq  # takes a third of a second to import

    smallest = int(degrees.min())
    mean = float(np.log(degrees / smallest).mean())

    def excess(alpha: float) -> float:
        """Return the mean of ln(k/m) under the law, less that of the degrees."""
        total, weighted = _sums(alpha, smallest)
        return weighted / total - mean

    low, high = 1 + 1e-9, 2.0
    while excess(high) > 0:
        low, high = high, 2 * high
    alpha = float(brentq(excess, low, high, xtol=1e-13, rtol=1e-14))
    return alpha, _sums(alpha, smallest)[0]


def _sums(alpha: float, m: int) -> tuple[float, float]:
    """Return Σ r^(−α) and Σ r^(−α)·ln r over r = k/m, k = m, m + 1, …

    The first terms are added up, the rest by the formula of Euler and Maclaurin.
    """
    logs = np.log1p(np.arange(TERMS) / m)
    terms = np.exp(-alpha * logs)
    rest = m + TERMS
    log, a = math.log(rest / m), alpha
    tail = rest / (a - 1) + 1 / 2 + a / (12 * rest) - a * (a + 1) * (a + 2) / (720 * rest**3)
    slope = -rest / (a - 1) ** 2 + 1 / (12 * rest) - (3 * a**2 + 6 * a + 2) / (720 * rest**3)
    scale = math.exp(-a * log)
    total = float(terms.sum()) + scale * tail
    return total, float((logs * terms).sum()) + scale * (log * tail - slope)
