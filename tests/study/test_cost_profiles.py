"""Profiles of costs over several cases, against counting."""

import math

import numpy as np
import pytest

from thalweg.study.cost_profiles import cost_profiles


def test_shares_are_those_counted_by_hand():
    cases = [
        {"a": [10, 20, 30], "b": [40, 40, 40]},
        {"a": [6, 6, 6], "b": [2, 3, math.inf]},
        {"a": [5, math.inf, math.inf], "b": [7, 8, math.inf]},
        {"a": [math.inf] * 3, "b": [1, math.inf, math.inf]},  # a median that neither has
    ]
    found = cost_profiles(cases)
    assert found["a"].ratios.tolist() == found["b"].ratios.tolist() == [1, 2]
    assert found["a"].shares.tolist() == [0.25, 0.5]
    assert found["b"].shares.tolist() == [0.5, 0.75]


def test_a_cost_of_nothing_is_within_no_ratio_but_of_nothing():
    cases = [{"a": [0.0, 0.0], "b": [0.0, 0.0], "c": [1.0, 1.0]}]
    found = cost_profiles(cases)
    assert [found[arm].shares.tolist() for arm in "abc"] == [[1], [1], [0]]


def test_band_is_a_bootstrap_of_seeds_that_draws_them_together():
    stream = np.random.default_rng(0)
    cases = [
        {arm: stream.lognormal(mean, 0.4, size=8) for arm, mean in (("a", 0.0), ("b", 0.3))}
        for _ in range(3)
    ]
    found = cost_profiles(cases, resamples=4000)["b"]
    drawn = []
    for _ in range(4000):
        rows = stream.integers(8, size=8)
        medians = [[np.median(case[arm][rows]) for arm in "ab"] for case in cases]
        ratios = np.array([b / min(a, b) for a, b in medians])
        drawn.append((ratios[:, None] <= found.ratios).mean(axis=0))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0, method="nearest")
    assert (found.low < found.shares).any() and (found.high > found.shares).any()
    # A step of a third is where the two simulations may fall on different sides.
    assert np.mean(found.low == pytest.approx(low)) >= 0.75
    assert np.mean(found.high == pytest.approx(high)) >= 0.75


def test_arms_that_are_alike_have_no_width():
    same = [3.0, 5.0, 4.0, 9.0]
    found = cost_profiles([{"a": same, "b": same}, {"a": same, "b": same}])
    for profile in found.values():  # seeds move both, whichever are drawn
        assert profile.shares.tolist() == profile.low.tolist() == profile.high.tolist() == [1]
