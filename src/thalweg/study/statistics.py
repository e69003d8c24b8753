"""Intervals of means over seeds, and what a grid of learning rates says about its optimum.

A diverged run is a result: its loss is +inf and its accuracy -inf. It is never dropped, because
dropping it would report the mean of the lucky seeds. A mean that contains one is infinite and has
no interval; the median still says where the ordinary seed ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

RESAMPLES = 2000
"""Bootstrap resamples; the 2.5 % point then rests on the 50 lowest of them."""

Edge = Literal["low", "high"]


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
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * x.std(ddof=1) / np.sqrt(n))
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
    index = int(_best_rows(matrix[:, :, None], higher_is_better)[0])
    return None if index < 0 else index


@dataclass(frozen=True)
class CurvePoint:
    """One learning rate of a curve: figures of the selection metric over the seeds.

    ``mean`` and the bootstrap band ``low``, ``high`` are infinite where diverged runs reach them;
    the band is None with fewer than two seeds, ``mean`` and ``median`` are None with none.
    """

    rate: float
    mean: float | None
    median: float | None
    low: float | None
    high: float | None
    count: int
    diverged: int


@dataclass(frozen=True)
class LearningRateCurve:
    """A selection metric against the learning rate (or any other numeric hyperparameter).

    Attributes:
        points: One a rate, rates rising.
        best: Index of the optimum in ``points``; None where every run diverged or has no result.
        optimum_low: Lower end of the optimum's bootstrap interval, a rate of the grid; None with
            fewer than two seeds.
        optimum_high: Upper end of it.
        at_edge: The end of the grid at which the optimum lies or which its interval touches: the
            true optimum may lie beyond. None for an interior optimum and for a single point.
        suggested: The grid extended beyond that edge; empty where there is no edge to extend or
            a rate is not positive.
    """

    points: tuple[CurvePoint, ...]
    best: int | None
    optimum_low: float | None
    optimum_high: float | None
    at_edge: Edge | None
    suggested: tuple[float, ...]

    @property
    def optimum(self) -> float | None:
        """The best rate of the grid."""
        return None if self.best is None else self.points[self.best].rate


def learning_rate_curve(
    rates: Sequence[float],
    values: ArrayLike,
    higher_is_better: bool,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> LearningRateCurve:
    """Analyse a grid × seeds matrix of the metric by which the learning rate is chosen.

    Bands and the optimum's interval are percentile bootstrap intervals over seeds (Efron and
    Tibshirani, *An Introduction to the Bootstrap*, 1993, ch. 13). One resample draws n seeds with
    replacement and applies the same draw at every rate, because the seeds are shared by the rates
    (common random numbers); its optimum is the best rate of the resampled means. Percentiles are
    order statistics without interpolation, so infinite means are ranked and an optimum's interval
    ends at rates of the grid. With few seeds a percentile interval is too narrow: at n = 3 it
    cannot leave the range of three values.

    Args:
        rates: Distinct rates in rising order.
        values: Rates × seeds; +inf (loss) or -inf (accuracy) for a diverged run, NaN for a run
            without result. Column j belongs to the same seed at every rate.
        higher_is_better: True for an accuracy, False for a loss.
        level: Confidence level in (0, 1).
        resamples: Number of bootstrap resamples B.
        seed: Seed of the NumPy generator.

    Raises:
        ValueError: The rates do not rise, or the matrix has another number of rows.
    """
    x = np.asarray(rates, dtype=float)
    matrix = np.asarray(values, dtype=float)
    if x.size == 0 or (np.diff(x) <= 0).any() or not np.isfinite(x).all():
        raise ValueError("rates must be finite, distinct and in rising order")
    if matrix.ndim != 2 or matrix.shape[0] != x.size:
        raise ValueError(f"values have shape {matrix.shape}: must have one row for each rate")
    n = matrix.shape[1]
    best = best_point(matrix, higher_is_better)
    bands: list[tuple[float, float] | None] = [None] * x.size
    winners = np.empty(0, dtype=int)
    if n > 1:
        draws = np.random.default_rng(seed).integers(n, size=(n, resamples))
        resampled = matrix[:, draws]
        bands = [
            _percentiles(means, level) if np.count_nonzero(~np.isnan(row)) > 1 else None
            for means, row in zip(_means(resampled), matrix, strict=True)
        ]
        winners = _best_rows(resampled, higher_is_better)
        winners = winners[winners >= 0]
    optima = _percentiles(x[winners], level) if best is not None else None
    edge = _edge(best, optima, x, winners)
    return LearningRateCurve(
        points=tuple(_point(*row) for row in zip(x, matrix, bands, strict=True)),
        best=best,
        optimum_low=optima[0] if optima else None,
        optimum_high=optima[1] if optima else None,
        at_edge=edge,
        suggested=_extended(x, edge),
    )


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, dtype=float).ravel()
    if x.size == 0:
        raise ValueError("no values")
    if np.isnan(x).any():
        raise ValueError("values contain NaN: leave out what has no result, give ±inf if diverged")
    return x


def _means(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over axis 1 of points × seeds × resamples, without the missing; NaN where none is."""
    present = ~np.isnan(resampled)
    count = present.sum(axis=1)
    total = np.where(present, resampled, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _best_rows(resampled: NDArray[np.float64], higher_is_better: bool) -> NDArray[np.int64]:
    """Best point of each resample (points × seeds × resamples), -1 where there is none."""
    count = (~np.isnan(resampled)).sum(axis=1)
    share = np.isinf(resampled).sum(axis=1) / np.maximum(count, 1)
    share = np.where(count > 0, share, 1.0)
    finite = _means(np.where(np.isinf(resampled), np.nan, resampled))
    score = finite if higher_is_better else -finite
    fewest = share.min(axis=0)
    score = np.where((share == fewest) & ~np.isnan(score), score, -np.inf)
    return np.where(fewest < 1, score.argmax(axis=0), -1)


def _percentiles(values: NDArray[np.float64], level: float) -> tuple[float, float] | None:
    """Order statistics at (1 ± level)/2, NaN left out; None where nothing is left."""
    x = np.sort(values[~np.isnan(values)])
    if x.size == 0:
        return None
    tail = int(np.floor((1 - level) / 2 * x.size))
    return float(x[tail]), float(x[x.size - 1 - tail])


def _point(rate: float, row: NDArray[np.float64], band: tuple[float, float] | None) -> CurvePoint:
    present = row[~np.isnan(row)]
    if present.size == 0:
        return CurvePoint(float(rate), None, None, None, None, 0, 0)
    interval = mean_interval(present)
    low, high = band if band else (None, None)
    return CurvePoint(
        float(rate), interval.mean, median(present), low, high, interval.count, interval.diverged
    )


def _edge(
    best: int | None,
    optima: tuple[float, float] | None,
    x: NDArray[np.float64],
    winners: NDArray[np.int64],
) -> Edge | None:
    last = x.size - 1
    if best is None or last == 0:
        return None
    if best in (0, last):
        return "low" if best == 0 else "high"
    low = optima is not None and optima[0] == x[0]
    high = optima is not None and optima[1] == x[-1]
    if low and high:  # an interval as wide as the grid: name the end that wins more often
        low = bool((winners == 0).sum() >= (winners == last).sum())
    return "low" if low else "high" if high else None


def _extended(x: NDArray[np.float64], edge: Edge | None) -> tuple[float, ...]:
    """The grid with two more points beyond its edge, by its own mean ratio (x_P/x_1)^(1/(P-1))."""
    if edge is None or x[0] <= 0:
        return ()
    ratio = (x[-1] / x[0]) ** (1 / (x.size - 1))
    if edge == "low":
        return (float(x[0] / ratio**2), float(x[0] / ratio), *map(float, x))
    return (*map(float, x), float(x[-1] * ratio), float(x[-1] * ratio**2))
