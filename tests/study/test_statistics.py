import math

import numpy as np
import pytest
from scipy import stats

from thalweg.study.statistics import best_point, mean_interval, median

INF = math.inf
NAN = math.nan


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_mean_interval_is_students(n, level):
    values = np.random.default_rng(n).normal(3, 2, n)
    low, high = stats.t.interval(level, n - 1, loc=values.mean(), scale=stats.sem(values))
    interval = mean_interval(values, level)
    assert interval.mean == pytest.approx(values.mean())
    assert (interval.low, interval.high) == pytest.approx((low, high))
    assert interval.half_width == pytest.approx((high - low) / 2)
    assert (interval.count, interval.diverged, interval.level) == (n, 0, level)


def test_one_value_has_no_interval():
    interval = mean_interval([0.5])
    assert (interval.mean, interval.low, interval.high, interval.half_width) == (
        0.5,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("values", "mean"), [([1, INF, 2], INF), ([-INF, 0.9], -INF), ([INF], INF)]
)
def test_a_diverged_run_makes_the_mean_infinite(values, mean):
    interval = mean_interval(values)
    assert interval.mean == mean
    assert interval.low is None and interval.high is None
    assert interval.diverged == 1 and interval.count == len(values)


def test_opposite_infinities_have_no_mean():
    assert math.isnan(mean_interval([INF, -INF]).mean)


@pytest.mark.parametrize("values", [[], [1.0, NAN]])
@pytest.mark.parametrize("figure", [mean_interval, median])
def test_nothing_and_nan_are_refused(figure, values):
    with pytest.raises(ValueError):
        figure(values)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_is_a_share(level):
    with pytest.raises(ValueError, match="level"):
        mean_interval([1, 2], level)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3, 1, 2], 2), ([1, 2], 1.5), ([1, INF, 2], 2), ([INF, 1], INF), ([INF, INF], INF)],
)
def test_median_keeps_the_diverged(values, expected):
    assert median(values) == expected


@pytest.mark.parametrize(
    ("values", "higher", "expected"),
    [
        ([[0.1, 0.2], [0.3, 0.4]], True, 1),
        ([[0.1, 0.2], [0.3, 0.4]], False, 0),
        ([[9.0, INF], [9.5, 9.5]], False, 1),  # one divergence loses against any finite loss
        ([[INF, INF], [50.0, INF]], False, 1),
        ([[0.9, -INF], [0.2, 0.2]], True, 1),
        ([[0.5, 0.5], [0.5, 0.5]], True, 0),
        ([[NAN, NAN], [0.2, NAN]], True, 1),
        ([[INF], [INF]], False, None),
        ([[NAN], [INF]], False, None),
        ([[NAN], [NAN]], True, None),
    ],
)
def test_best_point(values, higher, expected):
    assert best_point(values, higher) == expected
