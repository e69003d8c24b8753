"""Whether a graph's degrees may have been drawn from the law that fits them best."""

import math
from collections.abc import Callable

import numpy as np

from thalweg.measure.graphs.degree_fit import (
    Shares,
    distance,
    exponential,
    exponential_shares,
    positive_degrees,
    power_law,
    power_law_shares,
    varies,
)
from thalweg.measure.graphs.graph import Graph, Integers

DRAWS = 100

LONGEST = 1 << 16
"""So many degrees from the smallest on can be drawn."""


def _power_law(degrees: Integers) -> Shares:
    return power_law_shares(power_law(degrees), int(degrees.min()))


def _exponential(degrees: Integers) -> Shares:
    return exponential_shares(exponential(degrees))


LAWS: dict[str, Callable[[Integers], Shares]] = {
    "power_law": _power_law,
    "exponential": _exponential,
}
"""What fits each law to degrees."""


def goodness_of_fit(graph: Graph, seed: int) -> dict[str, float]:
    """Return ``power_law_fit`` and ``exponential_fit``: of 100 samples of as many degrees, drawn
    from the law that fits the degrees best and each fitted anew, the share that is at least as far
    from its own fit as the degrees are (the distance of Kolmogorov and Smirnov). Where it is below
    0.1 the law is ruled out. NaN where fewer than two different degrees occur.

    Source: Clauset, Shalizi and Newman, SIAM Review 51 (2009), section 4.
    """
    degrees = positive_degrees(graph)
    if not varies(degrees):
        return {f"{name}_fit": math.nan for name in LAWS}
    random = np.random.default_rng(seed)
    found = {}
    for name, fitted in LAWS.items():
        shares = fitted(degrees)
        below = shares(LONGEST).cumsum()[:-1]  # the last has all that is left
        own = distance(degrees, shares)
        as_far = 0
        for _ in range(DRAWS):
            drawn = degrees.min() + below.searchsorted(random.random(len(degrees)), side="right")
            # A sample of equal degrees is fitted without any difference.
            as_far += varies(drawn) and distance(drawn, fitted(drawn)) >= own
        found[f"{name}_fit"] = as_far / DRAWS
    return found
