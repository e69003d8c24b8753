"""The band of a Kaplan–Meier curve, against SciPy and by hand."""

import numpy as np
import pytest
from scipy.stats import CensoredData, binomtest, ecdf, norm

from thalweg.study.comparison import kaplan_meier
from thalweg.study.comparison.wilson import wilson_interval


def test_band_of_one_budget_is_wilsons_interval_of_a_share():
    costs = [3.0, 1.0, 2.0, 2.0, 9.0, 9.0, np.inf]  # two that never reach it, one that diverged
    low, high = kaplan_meier(costs, [True] * 4 + [False] * 3).band()
    for index, left in enumerate((7, 6, 4, 3)):
        expected = binomtest(left, 7).proportion_ci(method="wilson")
        assert (low[index], high[index]) == pytest.approx(tuple(expected), abs=1e-12)


def test_band_where_all_reach_it_or_none():
    low, high = kaplan_meier([1.0, 2.0, 3.0], [True] * 3).band()
    assert (low[-1], high[-1]) == pytest.approx(
        tuple(binomtest(0, 3).proportion_ci(method="wilson")), abs=1e-12
    )
    expected = tuple(binomtest(3, 3).proportion_ci(method="wilson"))
    for costs in ([5.0, 5.0, 7.0], [np.inf] * 3):
        low, high = kaplan_meier(costs, [False] * 3).band()
        assert (low.tolist(), high.tolist()) == ([pytest.approx(expected[0])], [expected[1]])
    low, high = kaplan_meier([4.0, 4.0], [True] * 2).band()  # from all at risk to none
    assert high[1] == pytest.approx(binomtest(0, 2).proportion_ci(method="wilson").high)


def test_band_of_several_budgets_has_greenwoods_variance():
    stream = np.random.default_rng(0)
    costs, budgets = stream.exponential(size=40), 2 * stream.exponential(size=40)
    reached = costs <= budgets
    spent = np.minimum(costs, budgets)
    reached[spent.argmax()] = False  # SciPy has no interval where none is left
    assert 5 < reached.sum() < 35
    curve = kaplan_meier(spent, reached)
    survival = ecdf(CensoredData(uncensored=spent[reached], right=spent[~reached])).sf
    interval = survival.confidence_interval(method="linear")
    place = np.searchsorted(survival.quantiles, curve.costs)
    share, upper = (s.probabilities[place] for s in (survival, interval.high))
    inside = (upper < 1) & (interval.low.probabilities[place] > 0)
    assert inside.sum() > 10
    np.testing.assert_allclose(curve.shares, share, rtol=1e-12)
    variance = ((upper - share) / norm.ppf(0.975))[inside] ** 2
    expected = wilson_interval(share[inside], (share * (1 - share))[inside] / variance)
    low, high = curve.band()
    np.testing.assert_allclose(low[1:][inside], expected[0], rtol=1e-9)
    np.testing.assert_allclose(high[1:][inside], expected[1], rtol=1e-9)


def test_a_wider_level_is_a_wider_band():
    curve = kaplan_meier([1.0, 2.0, 3.0, 3.0], [True, False, True, False])
    (low, high), (lower, higher) = curve.band(0.8), curve.band(0.99)
    assert (lower < low).all() and (higher >= high).all()
    assert (lower >= 0).all() and (higher <= 1).all()
