"""Rank correlations over arms, against SciPy and against simulations."""

import itertools

import numpy as np
import pytest
from pytest import approx
from scipy.stats import spearmanr, ttest_1samp

from thalweg.study import association
from thalweg.study.association import rank_association


@pytest.mark.parametrize("arms", [3, 5, 7, 9])
def test_each_seed_has_spearmans_coefficient(arms):
    rng = np.random.default_rng(arms)
    x = rng.normal(size=(arms, 6))
    y = np.round(x + rng.normal(size=x.shape), 1)  # ties
    found = rank_association(x, y)
    expected = [spearmanr(x[:, s], y[:, s]).statistic for s in range(6)]
    np.testing.assert_allclose(found.by_seed, expected)
    test = ttest_1samp(expected, 0)
    assert found.interval is not None and found.arms == arms
    np.testing.assert_allclose(found.interval.mean, np.mean(expected))
    low, high = test.confidence_interval(0.95)
    expected_ends = np.clip([low, high], -1, 1)
    np.testing.assert_allclose([found.interval.low, found.interval.high], expected_ends)
    np.testing.assert_allclose(found.p, test.pvalue)


def test_p_over_arms_counts_the_pairings():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(5, 3))
    y = x + 2 * rng.normal(size=x.shape)
    means = [
        np.mean([spearmanr(x[:, s], y[list(order), s]).statistic for s in range(3)])
        for order in itertools.permutations(range(5))
    ]
    expected = np.mean(np.abs(means) >= abs(means[0]) - 1e-9)
    assert 0.02 < expected < 0.9
    assert rank_association(x, y).p_arms == approx(expected)


def test_drawn_pairings_agree_with_all_of_them(monkeypatch):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(7, 4))
    y = x + 2 * rng.normal(size=x.shape)
    exact = rank_association(x, y).p_arms
    monkeypatch.setattr("thalweg.study.association.MOST_EXACT", 6)
    association._orders.cache_clear()
    assert 0.001 < exact < 0.9
    drawn = rank_association(x, y).p_arms
    association._orders.cache_clear()
    assert drawn == approx(exact, rel=0.1)


def test_a_diverged_run_is_the_worst_and_equal_figures_have_no_order():
    x = [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]
    assert rank_association(x, [[-np.inf, 7.0], [0.1, 7.0], [0.2, 7.0]]).by_seed[0] == approx(1)
    half = rank_association(x, [[1.0, 7.0], [0.1, 7.0], [0.2, 7.0]])
    assert np.isnan(half.by_seed[1]) and half.interval is not None and half.interval.count == 1
    none = rank_association(x, np.ones((3, 2)))
    assert none.interval is None and none.p == none.p_arms == 1.0
    same = rank_association(x, x)  # ρ is 1 at every seed: no spread, so no test
    assert same.by_seed == approx((1, 1)) and same.p == 1.0 and same.p_arms == approx(2 / 6)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.ones((2, 3)), np.ones((2, 3))),
        (np.ones((3, 3)), np.ones((3, 2))),
        (np.ones((3, 0)), np.ones((3, 0))),
        (np.ones(3), np.ones(3)),
        (np.full((3, 2), np.nan), np.ones((3, 2))),
    ],
)
def test_what_has_no_association(first, second):
    with pytest.raises(ValueError, match="figure"):
        rank_association(first, second)
