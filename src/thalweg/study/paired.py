"""The difference of two conditions over the seeds they share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from thalweg.study.statistics import Interval, mean_interval


@dataclass(frozen=True)
class PairedDifference:
    """A mean paired difference.

    Attributes:
        interval: The mean over the pairs with its Student t interval.
        p: Of the two-sided paired t test; 1 where there is no interval, or no spread to test by.
    """

    interval: Interval
    p: float


def paired_difference(
    first: ArrayLike, second: ArrayLike, level: float = 0.95
) -> PairedDifference | None:
    """Return the mean of ``first − second`` over the seeds, with the paired t test.

    Seeds share initial weights and data order, which moves both conditions alike and cancels here:
    ``t = d̄ / (s_d/√n)`` with n − 1 degrees of freedom (Student, "The probable error of a mean",
    Biometrika 6, 1908). A diverged run makes the mean infinite and leaves no interval; pairs of
    which both runs diverged, or one has no result, say nothing and are left out.

    Args:
        first: One a seed; ±inf stands for a diverged run, NaN for no result.
        second: The same of the other condition, in the same order of seeds.
        level: Confidence level in (0, 1).

    Returns:
        None where no pair is left.
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    known = ~np.isnan(x) & ~np.isnan(y) & ~(np.isinf(x) & np.isinf(y))
    if not known.any():
        return None
    difference = x[known] - y[known]
    interval = mean_interval(difference, level)
    if interval.low is None:
        return PairedDifference(interval, 1.0)
    error = difference.std(ddof=1) / np.sqrt(difference.size)
    if error == 0:  # equal by chance, as accuracies of few seeds can be: there is no test
        return PairedDifference(interval, 1.0)
    t = abs(interval.mean) / error
    return PairedDifference(interval, float(2 * stdtr(difference.size - 1, -t)))
