"""How unequally something is shared out among units."""

import math

import numpy as np

from thalweg.measure.graphs.graph import Floats


def unevenness(name: str, values: Floats) -> dict[str, float]:
    """Return ``NAME_max``, the greatest value, and ``NAME_gini``, the Gini coefficient; NaN if
    there is no value.
    """
    greatest = float(values.max()) if len(values) else math.nan
    return {f"{name}_max": greatest, f"{name}_gini": gini(values)}


def gini(values: Floats) -> float:
    """Return Σᵢⱼ|xᵢ − xⱼ|/(2·n²·x̄) of values of at least 0: 0 where all are alike, near 1 where one
    has everything; NaN where all are 0 or none is there.
    """
    total = float(values.sum())
    if total == 0:
        return math.nan
    count = len(values)
    ranks = 2 * np.arange(1, count + 1) - count - 1
    return float(ranks @ np.sort(values)) / (count * total)
