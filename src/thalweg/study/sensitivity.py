"""What a grid of one hyperparameter says: the curve, its optimum and where it is safe to be.

All runs of a value are counted: a diverged one is infinitely bad, it is never left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thalweg.study.ranges import Range, extended_range
from thalweg.study.statistics import (
    best_point,
    best_rows,
    mean_interval,
    means,
    median,
    percentiles,
)

RESAMPLES = 2000
"""Bootstrap resamples; the 2.5 % point then rests on the 50 lowest of them."""

ADDED = 2
"""Points that a grid is extended by beyond an edge."""

Edge = Literal["low", "high"]
Band = tuple[float, float]


@dataclass(frozen=True)
class CurvePoint:
    """One value of the hyperparameter: figures of the selection metric over the seeds.

    Attributes:
        value: The hyperparameter.
        mean: ±inf where a run diverged; None without a result.
        median: Finite as long as fewer than half of the runs diverged; None without a result.
        mean_band: Bootstrap interval of the mean, infinite where diverged runs reach it; None
            with fewer than two seeds.
        median_band: Bootstrap interval of the median, as ``mean_band``.
        count: Runs with a result, the diverged ones included.
        diverged: Runs that diverged.
    """

    value: float
    mean: float | None
    median: float | None
    mean_band: Band | None
    median_band: Band | None
    count: int
    diverged: int


@dataclass(frozen=True)
class SensitivityCurve:
    """A selection metric against a numeric hyperparameter, the learning rate above all.

    Attributes:
        points: One a value, values rising.
        best: Index of the optimum in ``points``; None where every run diverged or has no result.
        interval: Bootstrap interval of the optimum: the range of grid values that holds it with
            the level asked for; None with fewer than two seeds.
        refined: Optimum between the points of the grid; see `parabola_optimum`.
        stable: Lowest and highest of the values next to each other around the optimum whose mean
            lies within the optimum's band; None where the optimum has no finite band.
        largest_safe: Largest value at which no run diverged; None where there is none.
        at_edge: The end of the grid at which the optimum lies or which its interval touches: the
            true optimum may lie beyond. None for an interior optimum and for a single point.
        suggested: The grid extended beyond that edge; empty where there is no edge to extend or
            a value is not positive.
        suggested_range: The same as one geometric range that keeps the values tried; None where
            the values are no geometric grid.
    """

    points: tuple[CurvePoint, ...]
    best: int | None
    interval: Band | None
    refined: float | None
    stable: Band | None
    largest_safe: float | None
    at_edge: Edge | None
    suggested: tuple[float, ...]
    suggested_range: Range | None

    @property
    def optimum(self) -> float | None:
        """The best value of the grid."""
        return None if self.best is None else self.points[self.best].value

    @property
    def diverging(self) -> tuple[float, ...]:
        """Values at which a run diverged."""
        return tuple(point.value for point in self.points if point.diverged)


def sensitivity_curve(
    values: Sequence[float],
    figures: ArrayLike,
    higher_is_better: bool,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> SensitivityCurve:
    """Analyse a grid × seeds matrix of the metric by which the hyperparameter is chosen.

    Bands and the optimum's interval are percentile bootstrap intervals over seeds (Efron and
    Tibshirani, *An Introduction to the Bootstrap*, 1993, ch. 13). One resample draws n seeds with
    replacement and applies the same draw at every value, because the values share the seeds
    (common random numbers); its optimum is the best value by the resampled means. Percentiles are
    order statistics without interpolation, so infinite means are ranked and an optimum's interval
    ends at values of the grid. With few seeds a percentile interval is too narrow: at n = 3 it
    cannot leave the range of three figures.

    Args:
        values: Distinct values in rising order.
        figures: Values × seeds; +inf (loss) or -inf (accuracy) for a diverged run, NaN for a run
            without result. Column j belongs to the same seed at every value.
        higher_is_better: True for an accuracy, False for a loss.
        level: Confidence level in (0, 1).
        resamples: Number of bootstrap resamples B.
        seed: Seed of the NumPy generator.

    Raises:
        ValueError: The values do not rise, or the matrix has another number of rows.
    """
    x = np.asarray(values, dtype=float)
    matrix = np.asarray(figures, dtype=float)
    if x.size == 0 or (np.diff(x) <= 0).any() or not np.isfinite(x).all():
        raise ValueError("values must be finite, distinct and in rising order")
    if matrix.ndim != 2 or matrix.shape[0] != x.size:
        raise ValueError(f"figures have shape {matrix.shape}: must have one row for each value")
    n = matrix.shape[1]
    best = best_point(matrix, higher_is_better)
    draws = np.random.default_rng(seed).integers(max(n, 1), size=(n, resamples if n > 1 else 0))
    resampled = matrix[:, draws]
    points = tuple(map(_point, x, matrix, resampled, [level] * x.size))
    winners = best_rows(resampled, higher_is_better)
    winners = winners[winners >= 0]
    interval = percentiles(x[winners], level) if best is not None else None
    edge = _edge(best, interval, x, winners)
    return SensitivityCurve(
        points=points,
        best=best,
        interval=interval,
        refined=None if best is None else parabola_optimum(points, best),
        stable=None if best is None else _stable(points, best),
        largest_safe=max((p.value for p in points if p.count and not p.diverged), default=None),
        at_edge=edge,
        suggested=_extended(x, edge),
        suggested_range=_extended_range(x, edge),
    )


def parabola_optimum(points: Sequence[CurvePoint], best: int) -> float | None:
    """Return the vertex of the parabola in log value through the optimum and its neighbours.

    Returns:
        None at an edge of the grid, for values that are not positive, where one of the three means
        is not finite, and where they lie on a line.
    """
    if not 0 < best < len(points) - 1:
        return None
    three = points[best - 1 : best + 2]
    known = [p.mean for p in three if p.mean is not None and np.isfinite(p.mean)]
    if len(known) < 3 or three[0].value <= 0:
        return None
    x = np.log([point.value for point in three])
    below, above = x[1] - x[0], x[2] - x[1]
    fall, rise = known[1] - known[0], known[1] - known[2]
    curvature = below * rise + above * fall
    if curvature == 0:
        return None
    return float(np.exp(x[1] - 0.5 * (below**2 * rise - above**2 * fall) / curvature))


def _point(
    value: float, row: NDArray[np.float64], resampled: NDArray[np.float64], level: float
) -> CurvePoint:
    present = row[~np.isnan(row)]
    if present.size == 0:
        return CurvePoint(float(value), None, None, None, None, 0, 0)
    interval = mean_interval(present)
    mean_band = median_band = None
    if present.size > 1:
        mean_band = percentiles(means(resampled[None])[0], level)
        median_band = percentiles(_medians(resampled), level)
    return CurvePoint(
        float(value),
        interval.mean,
        median(present),
        mean_band,
        median_band,
        interval.count,
        interval.diverged,
    )


def _medians(resampled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Medians over axis 0 of seeds × resamples, without the missing; NaN where none is."""
    ordered = np.sort(resampled, axis=0)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=0)
    column = np.arange(ordered.shape[1])
    low = ordered[np.maximum(count - 1, 0) // 2, column]
    high = ordered[np.minimum(count // 2, len(ordered) - 1), column]
    # The half sum of an infinity with itself is that infinity.
    return np.where(count > 0, 0.5 * low + 0.5 * high, np.nan)


def _stable(points: Sequence[CurvePoint], best: int) -> Band | None:
    band = points[best].mean_band
    if band is None or not np.isfinite(band).all():
        return None

    def within(point: CurvePoint) -> bool:
        return point.mean is not None and band[0] <= point.mean <= band[1]

    low = high = best
    while low > 0 and within(points[low - 1]):
        low -= 1
    while high < len(points) - 1 and within(points[high + 1]):
        high += 1
    return points[low].value, points[high].value


def _edge(
    best: int | None,
    interval: Band | None,
    x: NDArray[np.float64],
    winners: NDArray[np.int64],
) -> Edge | None:
    last = x.size - 1
    if best is None or last == 0:
        return None
    if best in (0, last):
        return "low" if best == 0 else "high"
    low = interval is not None and interval[0] == x[0]
    high = interval is not None and interval[1] == x[-1]
    if low and high:  # an interval as wide as the grid: name the end that wins more often
        low = bool((winners == 0).sum() >= (winners == last).sum())
    return "low" if low else "high" if high else None


def _extended(x: NDArray[np.float64], edge: Edge | None) -> tuple[float, ...]:
    """The grid with more points beyond its edge, by its own mean ratio (x_P/x_1)^(1/(P-1))."""
    if edge is None or x[0] <= 0:
        return ()
    ratio = (x[-1] / x[0]) ** (1 / (x.size - 1))
    steps = ratio ** np.arange(1, ADDED + 1)
    beyond = x[0] / steps[::-1] if edge == "low" else x[-1] * steps
    return tuple(sorted(map(float, (*x, *beyond))))


def _extended_range(x: NDArray[np.float64], edge: Edge | None) -> Range | None:
    if edge is None:
        return None
    low, high = (ADDED, 0) if edge == "low" else (0, ADDED)
    return extended_range([float(value) for value in x], low, high)
