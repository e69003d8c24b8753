"""Paired differences against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from thalweg.study.paired import paired_difference


@pytest.mark.parametrize("n", [2, 3, 12])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_is_the_paired_t_test(n: int, level: float) -> None:
    stream = np.random.default_rng(n)
    second = stream.normal(size=n)
    first = second + stream.normal(0.3, 0.5, size=n)
    found = paired_difference(first, second, level)
    assert found is not None
    expected = stats.ttest_rel(first, second)
    low, high = expected.confidence_interval(level)
    interval = found.interval
    assert (interval.mean, interval.low, interval.high, found.p) == pytest.approx(
        (np.mean(first - second), low, high, expected.pvalue)
    )


def test_what_moves_both_alike_cancels() -> None:
    seeds = np.random.default_rng(0).normal(0, 100, size=6)
    found = paired_difference(seeds + np.array([1, 1.1, 0.9, 1, 1.05, 0.95]), seeds)
    assert found is not None and found.p < 1e-5
    assert found.interval.mean == pytest.approx(1) and found.interval.half_width < 0.1


def test_pairs_without_a_result_say_nothing() -> None:
    inf, nan = math.inf, math.nan
    found = paired_difference([1, nan, -inf, 4], [3, 1, -inf, 5])
    assert found is not None
    assert (found.interval.count, found.interval.mean) == (2, -1.5)
    assert paired_difference([nan, -inf], [1, -inf]) is None


def test_a_diverged_run_leaves_no_interval() -> None:
    found = paired_difference([0.9, -math.inf, 0.8], [0.9, 0.9, 0.9])
    assert found is not None and found.p == 1
    assert (found.interval.mean, found.interval.low) == (-math.inf, None)


@pytest.mark.parametrize(("shift", "p"), [(0, 1), (0.25, 1)])
def test_equal_differences(shift: float, p: float) -> None:
    found = paired_difference(np.array([0.5, 0.75]) + shift, [0.5, 0.75])
    assert found is not None and (found.p, found.interval.half_width) == (p, 0)


def test_one_pair_resolves_nothing() -> None:
    found = paired_difference([0.9], [0.1])
    assert found is not None and (found.p, found.interval.low) == (1, None)
