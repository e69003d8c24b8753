import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from thalweg.study.statistics import (
    best_point,
    learning_rate_curve,
    mean_interval,
    median,
)

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


def test_bootstrap_is_paired_and_near_the_exact_one():
    # All 27 resamples of three seeds can be listed, so the optimum's distribution is known.
    values = np.array([[0.1, 0.5, 0.6], [0.4, 0.45, 0.5], [0.3, 0.2, 0.1]])
    draws = list(product(range(3), repeat=3))
    wins = [np.argmax([row[list(d)].mean() for row in values]) for d in draws]
    assert min(wins.count(0), wins.count(1)) / 27 > 0.025 and wins.count(2) == 0
    curve = learning_rate_curve([0.01, 0.1, 1.0], values, higher_is_better=True)
    assert (curve.optimum_low, curve.optimum, curve.optimum_high) == (0.01, 0.1, 0.1)
    assert curve.at_edge == "low"
    exact = np.sort([values[0, list(d)].mean() for d in draws])
    assert curve.points[0].low == pytest.approx(exact[0])
    assert curve.points[0].high == pytest.approx(exact[-1])


def test_pairing_removes_what_the_seeds_share():
    seeds = np.random.default_rng(0).normal(0, 1, 10)
    values = np.stack([seeds, seeds + 0.01, seeds])
    curve = learning_rate_curve([1, 2, 3], values, higher_is_better=True)
    assert (curve.optimum_low, curve.optimum_high) == (2, 2)
    assert curve.at_edge is None and curve.suggested == ()


def test_band_covers_at_its_level():
    generator = np.random.default_rng(5)
    hits = 0
    for trial in range(200):
        sample = generator.normal(0, 1, (1, 30))
        point = learning_rate_curve([1], sample, True, resamples=400, seed=trial).points[0]
        hits += point.low <= 0 <= point.high
    assert 0.89 <= hits / 200 <= 0.99


def test_same_seed_same_band():
    values = np.random.default_rng(1).normal(size=(3, 5))
    first, again, other = (
        learning_rate_curve([1, 2, 3], values, True, resamples=50, seed=s) for s in (3, 3, 4)
    )
    assert first == again and first != other


def test_diverged_runs_are_counted_and_lose():
    values = [[1.0, 1.1, 1.2], [0.5, 0.4, 0.6], [0.1, INF, 0.1], [INF, INF, INF]]
    curve = learning_rate_curve([0.01, 0.03, 0.1, 0.3], values, higher_is_better=False)
    assert [p.diverged for p in curve.points] == [0, 0, 1, 3]
    assert curve.points[2].mean == INF and curve.points[2].median == 0.1
    assert curve.points[2].low == pytest.approx(0.1) and curve.points[2].high == INF
    assert curve.optimum == 0.03
    # Resamples that happen to miss the diverged seed prefer 0.1, an interior rate.
    assert curve.optimum_high == 0.1 and curve.at_edge is None


@pytest.mark.parametrize(
    ("values", "edge", "suggested"),
    [
        ([[3.0], [2.0], [1.0]], "low", (0.01, 0.1, 1, 10, 100)),
        ([[1.0], [2.0], [3.0]], "high", (1, 10, 100, 1e3, 1e4)),
        ([[1.0], [2.0], [1.0]], None, ()),
    ],
)
def test_edge_and_extended_grid(values, edge, suggested):
    curve = learning_rate_curve([1, 10, 100], values, higher_is_better=True)
    assert curve.at_edge == edge
    assert curve.suggested == pytest.approx(suggested)
    assert curve.optimum_low is None and curve.points[0].low is None


def test_interval_as_wide_as_the_grid_names_the_more_frequent_end():
    values = [[3, 3, 0, 0, 3.0], [2, 2, 2, 2, 2.0], [0, 0, 3, 3, 0.0]]
    curve = learning_rate_curve([1, 2, 3], values, higher_is_better=True)
    assert (curve.optimum_low, curve.optimum, curve.optimum_high) == (1, 2, 3)
    assert curve.at_edge == "low"


def test_no_extension_through_zero():
    curve = learning_rate_curve([0, 0.9], [[2.0], [1.0]], higher_is_better=True)
    assert curve.at_edge == "low" and curve.suggested == ()


def test_single_point_has_no_edge():
    curve = learning_rate_curve([0.1], [[1.0, 2.0]], higher_is_better=True)
    assert curve.at_edge is None and curve.optimum == 0.1


@pytest.mark.parametrize("absent", [NAN, -INF])
def test_nothing_but_failures_has_no_optimum(absent):
    curve = learning_rate_curve([1, 2], [[absent] * 2] * 2, higher_is_better=True)
    assert curve.best is None and curve.optimum is None
    assert curve.optimum_low is None and curve.at_edge is None


def test_missing_seed_is_left_out():
    point = learning_rate_curve([1], [[1.0, NAN, 3.0]], True).points[0]
    assert (point.mean, point.count) == (2.0, 2)
    assert point.low == 1.0 and point.high == 3.0


@pytest.mark.parametrize("rates", [[], [2, 1], [1, 1], [1, NAN]])
def test_rates_must_rise(rates):
    with pytest.raises(ValueError, match="rising"):
        learning_rate_curve(rates, np.zeros((len(rates), 2)), True)


def test_one_row_a_rate():
    with pytest.raises(ValueError, match="row"):
        learning_rate_curve([1, 2], np.zeros((3, 2)), True)
