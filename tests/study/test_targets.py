"""What a target costs, against hand-made runs, counting by hand and SciPy."""

import math
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from thalweg.store.results import METRICS
from thalweg.study.targets import (
    UNITS,
    Reach,
    compare,
    cost_to_reach,
    reach,
    seeds_needed,
)

CURVES = {
    # At epochs 0, 2, 4, 6.
    "early": [0.1, 0.85, 0.7, 0.9],
    "late": [0.1, 0.2, 0.849999, 0.85],
    "never": [0.1, 0.2, 0.3, 0.4],
    "wild": [0.1, 0.9],
    "blank": [0.1, None, math.nan, 0.86],
}


def study(metric="test_accuracy", sign=1):
    """Runs of 10 steps an epoch, 2 gradient evaluations a step and half a second an epoch."""
    rows = [
        {
            "run": run,
            "epoch": 2 * i,
            "step": 20 * i,
            metric: None if value is None else sign * value,
            "gradient_evaluations": 40 * i,
            "flops": 1e6 * i,
            "seconds": 1.0 * i,
        }
        for run, values in CURVES.items()
        for i, value in enumerate(values)
    ]
    runs = [
        {
            "run": run,
            "seed": seed,
            "status": "diverged" if run == "wild" else "done",
            "epochs": 6,
            "steps": 60,
            "gradient_evaluations": 120,
            "flops": 3e6,
            "seconds": 3.5,
        }
        for seed, run in enumerate(CURVES)
    ]
    return runs, pl.DataFrame(rows, schema=METRICS)


@pytest.mark.parametrize(("metric", "sign"), [("test_accuracy", 1), ("validation_loss", -1)])
def test_first_evaluation_that_reaches_the_target_counts(metric, sign):
    runs, metrics = study(metric, sign)
    absent = [{"run": "gone", "seed": 9, "status": "missing"}]
    found = reach(runs + absent, metrics, metric, sign * 0.85)
    assert found.seeds == (0, 1, 2, 3, 4)
    assert found.reached.tolist() == [True, True, False, False, True]
    assert {unit: costs.tolist() for unit, costs in found.spent.items()} == {
        "epochs": [2, 6, 6, math.inf, 6],
        "steps": [20, 60, 60, math.inf, 60],
        "gradient_evaluations": [40, 120, 120, math.inf, 120],
        "flops": [1e6, 3e6, 3e6, math.inf, 3e6],
        "seconds": [1, 3, 3.5, math.inf, 3],
    }


def test_a_target_met_at_the_start_costs_nothing():
    runs, metrics = study()
    assert reach(runs[:1], metrics, "test_accuracy", 0.1).spent["steps"].tolist() == [0]


def test_costs_that_were_not_recorded_are_unknown():
    runs, metrics = study()
    old = metrics.with_columns(pl.lit(None).cast(pl.Int64).alias("gradient_evaluations"))
    found = reach(runs[:3], old, "test_accuracy", 0.85)
    spent = found.spent["gradient_evaluations"]
    assert np.isnan(spent).tolist() == [True, True, False]
    assert cost_to_reach(spent, found.reached) == cost_to_reach([], [])
    assert compare({"a": found, "b": found}, "gradient_evaluations") == []


def kaplan_meier_median(spent, reached):
    """The least time at which the product-limit estimate of survival is below a half."""
    survival = 1.0
    for time in sorted(set(spent)):
        at_risk = sum(s >= time for s in spent)
        events = sum(s == time and r for s, r in zip(spent, reached, strict=True))
        survival *= 1 - events / at_risk
        if survival < 0.5 - 1e-12:
            return time
    return None


@pytest.mark.parametrize("n", [1, 3, 5, 7, 9])
def test_median_is_that_of_kaplan_and_meier_under_a_common_budget(n):
    random = np.random.default_rng(n)
    for _ in range(40):
        times = random.integers(1, 20, n)
        reached = times <= 10
        spent = np.minimum(times, 10).astype(float)
        assert cost_to_reach(spent, reached, resamples=10).median == kaplan_meier_median(
            spent.tolist(), reached
        )


def test_median_of_an_even_count_and_its_bound():
    assert cost_to_reach([4, 1, 3, 9], [True, True, True, False]).median == 3.5
    half = cost_to_reach([4, 1, 9, 9], [True, True, False, False])
    assert (half.median, half.low, half.high, half.at_least) == (None, None, None, 9)
    none = cost_to_reach([8.0, 12.0, 10.0], [False] * 3)
    assert none.at_least == 10  # two of three cost more than 10, but one may not cost 12
    diverged = cost_to_reach([2.0, math.inf, math.inf], [True, False, False])
    assert (diverged.median, diverged.at_least) == (None, math.inf)


def test_interval_is_the_bootstrap_of_the_median():
    x = np.array([3.0, 4, 4, 5, 7, 8, 9])
    found = cost_to_reach(x, np.ones(7, dtype=bool), resamples=4000)
    wanted = stats.bootstrap((x,), np.median, method="percentile", n_resamples=4000, rng=1)
    assert (found.low, found.high) == tuple(wanted.confidence_interval)
    # The upper end lies among the runs that never reached it: 2 of 5 often are 3 of 5 resampled.
    censored = cost_to_reach([1, 2, 3, 10, 10], [True, True, True, False, False])
    assert (censored.median, censored.low, censored.high) == (3, 1, math.inf)
    assert cost_to_reach([3.0], [True]).low is None


def arm(spent, reached=None, seeds=None):
    costs = np.asarray(spent, dtype=float)
    there = np.isfinite(costs) if reached is None else np.asarray(reached, dtype=bool)
    return Reach(tuple(seeds or range(costs.size)), there, dict.fromkeys(UNITS, costs))


@pytest.mark.parametrize("seed", range(5))
def test_without_censoring_the_test_is_that_of_wilcoxon(seed):
    random = np.random.default_rng(seed)
    a, b = np.split(random.choice(100, 11, replace=False).astype(float), [5])
    (found,) = compare({"a": arm(a), "b": arm(b)}, "seconds")
    wanted = stats.mannwhitneyu(a, b, method="exact")
    assert found.p == pytest.approx(wanted.pvalue)
    assert found.advantage == pytest.approx(1 - 2 * wanted.statistic / (len(a) * len(b)))


def by_hand(a, b):
    """The p value by going through every way of dealing the runs, each a pair (spent, reached)."""

    def score(i, j):
        cheaper = j[1] and (i[0] > j[0] or (not i[1] and i[0] >= j[0]))
        dearer = i[1] and (j[0] > i[0] or (not j[1] and j[0] >= i[0]))
        return int(cheaper) - int(dearer)

    runs = a + b
    total = [sum(score(i, j) for j in runs) for i in runs]
    sums = [sum(total[i] for i in chosen) for chosen in combinations(range(len(runs)), len(a))]
    low = np.mean([s <= sums[0] for s in sums])
    high = np.mean([s >= sums[0] for s in sums])
    return min(1.0, 2 * min(low, high))


def test_censored_runs_are_dearer_than_what_was_reached_at_no_more():
    inf = math.inf
    a = [(2.0, True), (3.0, True), (8.0, False), (inf, False)]
    b = [(8.0, True), (9.0, True), (8.0, False), (5.0, False), (9.0, True)]
    (found,) = compare({"a": arm(*zip(*a, strict=True)), "b": arm(*zip(*b, strict=True))}, "epochs")
    assert found.p == pytest.approx(by_hand(a, b))
    # Cheaper: 2 and 3 than all of b. Dearer: 8 (censored) than 8; the diverged than 8, 9 and 9.
    assert found.advantage == pytest.approx((10 - 4) / 20)


def test_verdicts_need_enough_seeds():
    for n, resolved in ((1, False), (2, False), (3, False), (4, True)):
        (found,) = compare({"a": arm([1.0] * n), "b": arm([2.0] * n, [False] * n)}, "steps")
        assert (found.resolved, found.advantage) == (resolved, 1)
        assert found.p == pytest.approx(2 / math.comb(2 * n, n))
    assert [seeds_needed(pairs) for pairs in (1, 3, 6, 10, 45)] == [4, 5, 5, 6, 7]


def test_no_run_of_either_arm_there_is_nothing_to_compare():
    none = arm([5.0] * 4, [False] * 4)
    found = compare({"a": none, "b": none, "c": arm([1.0] * 4)}, "steps")
    assert [(c.first, c.second) for c in found] == [("a", "c"), ("b", "c")]


def test_paired_differences_are_of_common_seeds_that_both_reached():
    a = arm([1, 2, 4, 9], [True, True, True, False], seeds=(0, 1, 2, 3))
    b = arm([5, 9, 9, 1], [True, True, True, True], seeds=(1, 2, 7, 3))
    (found,) = compare({"a": a, "b": b}, "epochs")
    assert (found.difference, found.pairs) == (-4, 2)  # 2 - 5 and 4 - 9
    (apart,) = compare({"a": a, "b": arm([5.0, 9], seeds=(8, 9))}, "epochs")
    assert (apart.difference, apart.pairs) == (None, 0)
