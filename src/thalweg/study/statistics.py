"""Figures over seeds: means and medians with their intervals, and the best of several points.

A diverged run is a result: its loss is +inf and its accuracy -inf. It is never dropped, because
dropping it would report the mean of the lucky seeds. A mean that contains one is infinite and has
no interval; the median still says where the ordinary seed ended.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit  # scipy.stats takes half a second to import


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence interval.

    Attributes:
        mean: ±inf where a run diverged; NaN where both infinities occur.
        low: None where there is no interval: one value, or a mean that is not finite.
        high: As ``low``.
        count: Number of values, the infinite ones included.
        diverged: Number of infinite values.
        level: Confidence level in (0, 1).
    """

    mean: float
    low: float | None
    high: float | None
    count: int
    diverged: int
    level: float

    @property
    def half_width(self) -> float | None:
        """Half the interval's width, None where there is no interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean of independent values with its Student t interval.

    ``x̄ ± t(n-1, (1 + level)/2) · s/√n`` with ``s² = Σ(x - x̄)²/(n-1)`` (Student, "The probable
    error of a mean", Biometrika 6, 1908). Exact for normal values.

    Args:
        values: One a seed; ±inf stands for a diverged run.
        level: Confidence level in (0, 1).

    Raises:
        ValueError: There are no values, one is NaN, or the level is not in (0, 1).
    """
    x = _checked(values)
    if not 0 < level < 1:
        raise ValueError(f"level = {level}: must lie between 0 and 1")
    n = x.size
    diverged = int(np.isinf(x).sum())
    if diverged:
        both = np.isposinf(x).any() and np.isneginf(x).any()
        mean = float("nan") if both else float(x[np.isinf(x)][0])
        return Interval(mean, None, None, n, diverged, level)
    mean = float(x.mean())
    if n == 1:
        return Interval(mean, None, None, n, 0, level)
    half = float(stdtrit(n - 1, (1 + level) / 2) * x.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n, 0, level)


def median(values: ArrayLike) -> float:
    """Return the median, in which a diverged run counts as the infinity it is.

    For an even count, the mean of the two middle values: infinite where one of them is, NaN where
    they are opposite infinities.

    Raises:
        ValueError: There are no values, or one is NaN.
    """
    x = np.sort(_checked(values))
    low, high = float(x[(x.size - 1) // 2]), float(x[x.size // 2])
    return low if low == high else (low + high) / 2


def best_point(values: ArrayLike, higher_is_better: bool) -> int | None:
    """Return the index of the best row of a points × seeds matrix by its mean over seeds.

    A diverged run is worse than any finite one, so points are ordered by the share of their runs
    that diverged and then by the mean of the rest: the order of the means as the diverged runs'
    loss grows without bound. The first of equal points wins.

    Args:
        values: Points × seeds; ±inf stands for a diverged run, NaN for no result.
        higher_is_better: True for an accuracy, False for a loss.

    Returns:
        None where every point has diverged entirely or has no result.
    """
    matrix = np.asarray(values, dtype=float)
    index = int(best_rows(matrix[:, :, None], higher_is_better)[0])
    return None if index < 0 else index


def ranking(values: ArrayLike, higher_is_better: bool) -> list[int]:
    """Return the rows of a points × seeds matrix from the best on, in the order of `best_point`.

    Points that diverged in every run, or have no result, are left out.
    """
    left = np.array(values, dtype=float)
    found: list[int] = []
    while (best := best_point(left, higher_is_better)) is not None:
        found.append(best)
        left[best] = np.nan
    return found


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, dtype=float).ravel()
    if x.size == 0:
        raise ValueError("no values")
    if np.isnan(x).any():
        raise ValueError("values contain NaN: leave out what has no result, give ±inf if diverged")
    return x


def means(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over axis 1 of points × seeds × resamples, without the missing; NaN where none is."""
    present = ~np.isnan(resampled)
    count = present.sum(axis=1)
    total = np.where(present, resampled, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def best_rows(resampled: NDArray[np.float64], higher_is_better: bool) -> NDArray[np.int64]:
    """Best point of each resample (points × seeds × resamples), -1 where there is none."""
    count = (~np.isnan(resampled)).sum(axis=1)
    share = np.isinf(resampled).sum(axis=1) / np.maximum(count, 1)
    share = np.where(count > 0, share, 1.0)
    finite = means(np.where(np.isinf(resampled), np.nan, resampled))
    score = finite if higher_is_better else -finite
    fewest = share.min(axis=0)
    score = np.where((share == fewest) & ~np.isnan(score), score, -np.inf)
    return np.where(fewest < 1, score.argmax(axis=0), -1)


def percentiles(values: NDArray[np.float64], level: float) -> tuple[float, float] | None:
    """Order statistics at (1 ± level)/2, NaN left out; None where nothing is left."""
    x = np.sort(values[~np.isnan(values)])
    if x.size == 0:
        return None
    tail = int(np.floor((1 - level) / 2 * x.size))
    return float(x[tail]), float(x[x.size - 1 - tail])
