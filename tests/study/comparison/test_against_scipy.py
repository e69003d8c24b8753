"""Statistics of comparisons against scipy and published worked examples."""

import math

import numpy as np
import pytest
from scipy import stats

from thalweg.study.comparison import (
    bca_interval,
    deviation_interval,
    holm,
    interquartile_mean,
    kaplan_meier,
    paired_power,
    performance_profile,
    probability_of_improvement,
    seeds_needed,
    sign_flip_p,
)
from thalweg.study.comparison.permutation import signed_ranks

INF = math.inf

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Differences of crossed and self-fertilised plants (Fisher, The Design of Experiments, 1935)."""

REMISSION = {
    "ended": [6.0, 6, 6, 7, 10, 13, 16, 22, 23],
    "censored": [6.0, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35],
}
"""Weeks of remission under 6-mercaptopurine (Freireich et al., Blood 21, 1963)."""


@pytest.mark.parametrize("n", [6, 30])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_bca_is_scipys(n: int, level: float) -> None:
    x = np.random.default_rng(n).exponential(size=n)
    expected = stats.bootstrap(
        (x,), np.mean, confidence_level=level, n_resamples=40_000, method="BCa", rng=1
    ).confidence_interval
    found = bca_interval(x, level, resamples=40_000, seed=1)
    assert found == pytest.approx(tuple(expected), abs=0.04 * x.std())
    assert found != pytest.approx(stats.t.interval(level, n - 1, x.mean(), stats.sem(x)), abs=0.01)


def test_bca_without_spread_or_mean() -> None:
    assert bca_interval([0.25, 0.25, 0.25]) == (0.25, 0.25)
    assert bca_interval([0.25]) is None and bca_interval([0.25, -INF, 1.0]) is None
    low, high = bca_interval([0.0, 0.0, 0.0, 1.0]) or (0, 0)
    assert 0 <= low < 0.25 < high <= 1


@pytest.mark.parametrize("n", [2, 5, 9])
def test_sign_flips_are_scipys(n: int) -> None:
    x, y = np.random.default_rng(n).normal(size=(2, n)) + np.array([[0.8], [0.0]])
    expected = stats.permutation_test(
        (x, y), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(x - y) == pytest.approx(expected.pvalue)


def test_sign_flips_are_fishers() -> None:
    assert sign_flip_p(DARWIN) == 1726 / 32768


def test_many_sign_flips_are_near_the_t_test() -> None:
    d = np.random.default_rng(3).normal(0.4, 1, size=40)
    assert sign_flip_p(d) == pytest.approx(stats.ttest_1samp(d, 0).pvalue, abs=0.005)
    assert 0 < sign_flip_p(d + 100) < 1e-4


def test_ties_and_nothing() -> None:
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1 and sign_flip_p([]) == 1
    assert sign_flip_p([0.1, 0.2, -0.3]) == 1  # a sum that is zero but for rounding
    assert sign_flip_p([1, 1, 1, 1]) == 2 / 16


def test_infinite_differences_count_by_rank() -> None:
    d = np.array([0.3, -0.1, INF, 0.0, INF, -0.2])
    assert signed_ranks(d).tolist() == [4, -2, 5.5, 0, 5.5, -3]
    finite = np.array([0.3, -0.1, 7.0, 0.9, 8.0, -0.2, 0.5])
    expected = stats.wilcoxon(finite, method="exact").pvalue
    ranked = np.where(finite == 8.0, INF, finite)
    assert sign_flip_p(ranked) == pytest.approx(expected)
    assert sign_flip_p([INF] * 8) == 2 / 256


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


def test_improvement_is_mann_whitney() -> None:
    stream = np.random.default_rng(0)
    x, y = stream.integers(6, size=12).astype(float), stream.integers(5, size=12).astype(float)
    u = stats.mannwhitneyu(x, y).statistic / 144
    found = probability_of_improvement(x, y, higher_is_better=True)
    assert found.value == pytest.approx(u)
    assert found.low is not None and found.high is not None and found.low < u < found.high
    reverse = probability_of_improvement(x, y, higher_is_better=False)
    assert reverse.value == pytest.approx(1 - u)
    assert (reverse.low, reverse.high) == pytest.approx((1 - found.high, 1 - found.low), abs=0.02)


def test_improvement_over_diverged_runs() -> None:
    found = probability_of_improvement([-INF, 0.9], [-INF, 0.8], higher_is_better=True)
    assert found.value == (0.5 + 0 + 1 + 1) / 4
    assert probability_of_improvement([0.1], [0.2], higher_is_better=False).low is None


@pytest.mark.parametrize("n", [1, 3, 4, 10, 21])
def test_interquartile_mean_is_scipys(n: int) -> None:
    x = np.random.default_rng(n).exponential(size=n)
    assert interquartile_mean([x]).value == pytest.approx(stats.trim_mean(x, 0.25))


def test_interquartile_mean_of_strata() -> None:
    easy, hard = np.arange(8.0), 100 + np.arange(8.0)
    found = interquartile_mean([easy, hard], resamples=500)
    assert found.value == stats.trim_mean(np.concatenate([easy, hard]), 0.25)
    # Each stratum keeps its eight runs in every resample, so half lie below 50 in all of them.
    assert found.low is not None and found.high is not None
    assert 48 < found.low < found.value < found.high < 60
    assert interquartile_mean([[0.5, 0.6, 0.7, INF]]).value == pytest.approx(0.65)
    assert interquartile_mean([[INF, INF, 0.1]]).value == INF


def test_profile_is_wilsons() -> None:
    x = [0.9, 0.8, -INF, 0.95, 0.7]
    found = performance_profile(x, [0.0, 0.8, 0.99], higher_is_better=True)
    assert found.shares.tolist() == [0.8, 0.4, 0.0]
    for k, low, high in zip((4, 2, 0), found.low, found.high, strict=True):
        assert (low, high) == pytest.approx(stats.binomtest(k, 5).proportion_ci(method="wilson"))
    losses = performance_profile([1.0, INF], [1.0, 2.0], higher_is_better=False)
    assert losses.shares.tolist() == [0.0, 0.5]


def test_kaplan_meier_is_freireichs() -> None:
    weeks = REMISSION["ended"] + REMISSION["censored"]
    ended = [True] * len(REMISSION["ended"]) + [False] * len(REMISSION["censored"])
    found = kaplan_meier(weeks, ended)
    assert found.costs.tolist() == [6, 7, 10, 13, 16, 22, 23]
    published = [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448]
    assert found.shares == pytest.approx(published, abs=5e-4)
    assert found.median == 23
    assert found.restricted_mean(35) == pytest.approx((23.29, 2.83), abs=5e-3)
    data = stats.CensoredData(uncensored=REMISSION["ended"], right=REMISSION["censored"])
    curve = stats.ecdf(data).sf
    assert curve.evaluate(found.costs) == pytest.approx(found.shares)


def test_restricted_mean_without_censoring_is_the_mean() -> None:
    x = np.array([1.0, 2.0, 2.0, 5.0, 9.0])
    mean, error = kaplan_meier(x, x > 0).restricted_mean(20)
    assert mean == pytest.approx(x.mean())
    assert error == pytest.approx(x.std() / math.sqrt(x.size))


def test_targets_that_are_not_reached() -> None:
    found = kaplan_meier([3, INF, 10, 10], [True, False, False, False])
    assert found.median is None and found.restricted_mean(10)[0] == pytest.approx(3 + 0.75 * 7)
    never = kaplan_meier([10, INF], [False, False])
    assert never.median is None and never.restricted_mean(10) == (10, 0)
    assert kaplan_meier([3, 4], [True, False]).median == 3


@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_seeds_are_those_of_the_tables(effect: float, n: int) -> None:
    """Paired t test, two-sided 5 %, power 80 % (Faul et al., G*Power 3, 2007)."""
    assert seeds_needed(effect, 1.0) == n
    assert seeds_needed(-3 * effect, 3.0) == n


@pytest.mark.parametrize("seeds", [2, 5, 40])
@pytest.mark.parametrize("effect", [0.1, 0.7, 1.5])
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_power_is_the_noncentral_t(seeds: int, effect: float, level: float) -> None:
    bound, delta = stats.t.isf((1 - level) / 2, seeds - 1), effect * math.sqrt(seeds)
    other = np.nan_to_num(stats.nct.cdf(-bound, seeds - 1, delta))  # NaN where it is below 1e-20
    expected = stats.nct.sf(bound, seeds - 1, delta) + other
    assert paired_power(effect, 1.0, seeds, level) == pytest.approx(expected, abs=1e-6)


def test_power_at_the_ends() -> None:
    assert paired_power(1000.0, 1e-3, 5) == 1
    assert seeds_needed(1e-9, 1.0) is None and seeds_needed(0.0, 1.0) is None
    assert seeds_needed(100.0, 1.0) == 2


def test_deviation_interval_is_chi_squares() -> None:
    low, high = deviation_interval(2.0, 10)
    assert 9 * 4 / low**2 == pytest.approx(stats.chi2.ppf(0.975, 9))
    assert 9 * 4 / high**2 == pytest.approx(stats.chi2.ppf(0.025, 9))
