import math
from itertools import product

import numpy as np
import pytest

from thalweg.study.ranges import parse_range
from thalweg.study.sensitivity import sensitivity_curve

INF = math.inf
NAN = math.nan


def test_bootstrap_is_paired_and_near_the_exact_one():
    # All 27 resamples of three seeds can be listed, so the optimum's distribution is known.
    values = np.array([[0.1, 0.5, 0.6], [0.4, 0.45, 0.5], [0.3, 0.2, 0.1]])
    draws = list(product(range(3), repeat=3))
    wins = [np.argmax([row[list(d)].mean() for row in values]) for d in draws]
    assert min(wins.count(0), wins.count(1)) / 27 > 0.025 and wins.count(2) == 0
    curve = sensitivity_curve([0.01, 0.1, 1.0], values, higher_is_better=True)
    assert (curve.optimum, curve.interval) == (0.1, (0.01, 0.1))
    assert curve.at_edge == "low"
    exact = np.sort([values[0, list(d)].mean() for d in draws])
    assert curve.points[0].mean_band == pytest.approx((exact[0], exact[-1]))


def test_pairing_removes_what_the_seeds_share():
    seeds = np.random.default_rng(0).normal(0, 1, 10)
    values = np.stack([seeds, seeds + 0.01, seeds])
    curve = sensitivity_curve([1, 2, 3], values, higher_is_better=True)
    assert curve.interval == (2, 2)
    assert curve.at_edge is None and curve.suggested == ()


def test_band_covers_at_its_level():
    generator = np.random.default_rng(5)
    hits = 0
    for trial in range(200):
        sample = generator.normal(0, 1, (1, 30))
        point = sensitivity_curve([1], sample, True, resamples=400, seed=trial).points[0]
        hits += point.mean_band[0] <= 0 <= point.mean_band[1]
    assert 0.89 <= hits / 200 <= 0.99


def test_same_seed_same_band():
    values = np.random.default_rng(1).normal(size=(3, 5))
    first, again, other = (
        sensitivity_curve([1, 2, 3], values, True, resamples=50, seed=s) for s in (3, 3, 4)
    )
    assert first == again and first != other


def test_diverged_runs_are_counted_and_lose():
    values = [[1.0, 1.1, 1.2], [0.5, 0.4, 0.6], [0.1, INF, 0.1], [INF, INF, INF]]
    curve = sensitivity_curve([0.01, 0.03, 0.1, 0.3], values, higher_is_better=False)
    assert [p.diverged for p in curve.points] == [0, 0, 1, 3]
    assert curve.points[2].mean == INF and curve.points[2].median == 0.1
    assert curve.points[2].mean_band == (pytest.approx(0.1), INF)
    assert curve.optimum == 0.03
    # Resamples that happen to miss the diverged seed prefer 0.1, an interior rate.
    assert curve.interval[1] == 0.1 and curve.at_edge is None


@pytest.mark.parametrize(
    ("values", "edge", "suggested"),
    [
        ([[3.0], [2.0], [1.0]], "low", (0.01, 0.1, 1, 10, 100)),
        ([[1.0], [2.0], [3.0]], "high", (1, 10, 100, 1e3, 1e4)),
        ([[1.0], [2.0], [1.0]], None, ()),
    ],
)
def test_edge_and_extended_grid(values, edge, suggested):
    curve = sensitivity_curve([1, 10, 100], values, higher_is_better=True)
    assert curve.at_edge == edge
    assert curve.suggested == pytest.approx(suggested)
    assert curve.interval is None and curve.points[0].mean_band is None


def test_interval_as_wide_as_the_grid_names_the_more_frequent_end():
    values = [[3, 3, 0, 0, 3.0], [2, 2, 2, 2, 2.0], [0, 0, 3, 3, 0.0]]
    curve = sensitivity_curve([1, 2, 3], values, higher_is_better=True)
    assert (curve.optimum, curve.interval) == (2, (1, 3))
    assert curve.at_edge == "low"


def test_no_extension_through_zero():
    curve = sensitivity_curve([0, 0.9], [[2.0], [1.0]], higher_is_better=True)
    assert curve.at_edge == "low" and curve.suggested == ()


def test_single_point_has_no_edge():
    curve = sensitivity_curve([0.1], [[1.0, 2.0]], higher_is_better=True)
    assert curve.at_edge is None and curve.optimum == 0.1


@pytest.mark.parametrize("absent", [NAN, -INF])
def test_nothing_but_failures_has_no_optimum(absent):
    curve = sensitivity_curve([1, 2], [[absent] * 2] * 2, higher_is_better=True)
    assert curve.best is None and curve.optimum is None
    assert curve.interval is None and curve.at_edge is None


def test_missing_seed_is_left_out():
    point = sensitivity_curve([1], [[1.0, NAN, 3.0]], True).points[0]
    assert (point.mean, point.count) == (2.0, 2)
    assert point.mean_band == (1.0, 3.0) == point.median_band


@pytest.mark.parametrize("values", [[], [2, 1], [1, 1], [1, NAN]])
def test_values_must_rise(values):
    with pytest.raises(ValueError, match="rising"):
        sensitivity_curve(values, np.zeros((len(values), 2)), True)


def test_one_row_a_value():
    with pytest.raises(ValueError, match="row"):
        sensitivity_curve([1, 2], np.zeros((3, 2)), True)


def test_median_band_is_that_of_all_resamples():
    figures = np.array([[0.1, 0.5, 0.6], [0.1, INF, 0.3]])
    curve = sensitivity_curve([1, 2], figures, higher_is_better=False)
    for point, row in zip(curve.points, figures, strict=True):
        exact = sorted(np.sort(row[list(d)])[1] for d in product(range(3), repeat=3))
        # 1 of 27 resamples repeats one seed, 7 have its figure as the median: more than 2.5 %.
        assert point.median_band == (exact[0], exact[-1])
        assert point.median == np.sort(row)[1]


def test_a_diverged_run_leaves_the_median_finite():
    (point,) = sensitivity_curve([1], [[1.0, 2.0, INF]], higher_is_better=False).points
    assert (point.mean, point.median) == (INF, 2.0)


def test_stable_range_is_the_stretch_within_the_optimum_s_band():
    noise = np.array([-0.02, 0.0, 0.02])
    means = np.array([0.5, 0.89, 0.5, 0.89, 0.9, 0.885, 0.6])
    figures = means[:, None] + noise
    figures[6, 1] = -INF
    values = [1, 2, 4, 8, 16, 32, 64]
    curve = sensitivity_curve(values, figures, higher_is_better=True)
    assert curve.optimum == 16
    assert curve.stable == (8, 32)  # 2 is as good, but cut off by what is not
    assert curve.diverging == (64,) and curve.largest_safe == 32


def test_no_stable_range_with_one_seed_or_where_every_value_diverged():
    assert sensitivity_curve([1, 2], [[1.0], [2.0]], True).stable is None
    diverged = sensitivity_curve([1, 2], [[-INF, 1.0], [-INF, 1.0]], True)
    assert diverged.stable is None and diverged.largest_safe is None


@pytest.mark.parametrize("sign", [1, -1])
def test_refined_optimum_is_the_parabola_s_vertex(sign):
    values = [0.01, 0.03, 0.1, 0.2]  # not evenly spaced in the logarithm
    loss = [[2.0 + 1.3 * math.log(value / 0.05) ** 2] for value in values]
    curve = sensitivity_curve(values, sign * np.array(loss), higher_is_better=sign < 0)
    assert curve.optimum == 0.03
    assert curve.refined == pytest.approx(0.05)


@pytest.mark.parametrize(
    "figures", [[3.0, 2.0, 1.0], [INF, 1.0, 2.0], [1.0, 1.0, 1.0]], ids=["edge", "diverged", "flat"]
)
def test_no_refined_optimum_without_a_parabola(figures):
    curve = sensitivity_curve([1, 2, 4], [[f] for f in figures], higher_is_better=False)
    assert curve.refined is None


@pytest.mark.parametrize("text", ["1e-3..1:8", "1e-3..1:7", "0.02..0.3:5", "1e-7..3:13"])
@pytest.mark.parametrize("edge", ["low", "high"])
def test_the_suggested_range_keeps_every_value_that_was_tried(text, edge):
    grid = parse_range(text, "--lr").grid()
    order = range(len(grid)) if edge == "high" else reversed(range(len(grid)))
    curve = sensitivity_curve(grid, [[float(i)] for i in order], higher_is_better=True)
    extended = curve.suggested_range.grid()
    assert curve.at_edge == edge
    assert extended == pytest.approx(curve.suggested, rel=1e-5)
    assert (extended[2:] if edge == "low" else extended[:-2]) == grid


def test_no_range_for_values_that_are_no_geometric_grid():
    curve = sensitivity_curve([1, 2, 3], [[3.0], [2.0], [1.0]], higher_is_better=True)
    assert curve.at_edge == "low" and curve.suggested_range is None
