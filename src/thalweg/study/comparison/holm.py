"""Several tests at once."""

from collections.abc import Sequence

import numpy as np


def holm(p: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm's step-down method: max over j ≤ i of (m - j + 1)·p₍ⱼ₎.

    Of m tests the probability that any true hypothesis has an adjusted p value of at most α is at
    most α, however the tests depend on each other (Holm, Scandinavian Journal of Statistics 6,
    1979).
    """
    order = np.argsort(p, kind="stable")
    steps = np.arange(len(p), 0, -1) * np.asarray(p, dtype=float)[order]
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]
