"""What it costs to reach a target: by arm, and of two arms which is cheaper.

The cost of a run is what it had spent at its first evaluation that reaches the target (Dahl et al.,
"Benchmarking neural network training algorithms", arXiv:2306.07179, score training algorithms so).
A run that never reaches it is **censored**: its cost is known only to exceed all it spent. A run
that diverged counts as never reaching, whatever budget it is given.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from thalweg.study.comparison.holm import holm
from thalweg.study.earlier_rounds import EarlierCosts, added
from thalweg.study.metrics import is_accuracy
from thalweg.study.sensitivity import RESAMPLES
from thalweg.study.statistics import median, percentiles

UNITS = {
    "epochs": "epoch",
    "steps": "step",
    "gradient_evaluations": "gradient_evaluations",
    "flops": "flops",
    "seconds": "seconds",
}
"""Units of cost, columns of the ``runs`` frame, with the column of ``metrics`` that counts each."""

PARTITIONS = 20_000
"""Ways of dealing runs to two arms up to which all are tried; of more, so many at random."""


@dataclass(frozen=True)
class Reach:
    """The runs of an arm against a target.

    Attributes:
        seeds: Seed of each run.
        reached: Whether each run reached the target.
        spent: By unit, what each run had spent when it reached the target, or in all where it
            did not; +inf for a run that diverged, NaN where it was not recorded.
    """

    seeds: tuple[int, ...]
    reached: NDArray[np.bool_]
    spent: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class CostToReach:
    """What a target costs an arm, over its seeds.

    Attributes:
        median: None unless more than half of the runs reached the target.
        low: Lower end of the bootstrap interval of the median; None with the median or where there
            is but one run.
        high: Upper end; +inf where resamples in which half the runs never reach it are within.
        at_least: Where there is no median, what it certainly exceeds: +inf where half of the runs
            diverged. None where the cost was not recorded.
    """

    median: float | None = None
    low: float | None = None
    high: float | None = None
    at_least: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Two arms' costs of one target.

    Attributes:
        first: Name of an arm.
        second: Name of another.
        difference: Median over the common seeds of which both runs reached the target of the cost
            under ``first`` less that under ``second``; None where there is no such seed.
        pairs: Number of those seeds.
        advantage: Share of the pairs of runs, one of each arm, in which that of ``first`` is known
            to be cheaper, less the share in which it is known to be dearer; in [-1, 1].
        p: Of the permutation test, see `compare`.
        p_adjusted: The same adjusted for the number of comparisons.
        resolved: Whether the arms differ at the level asked for, all comparisons counted.
    """

    first: str
    second: str
    difference: float | None
    pairs: int
    advantage: float
    p: float
    p_adjusted: float
    resolved: bool


def reach(
    runs: Sequence[Mapping[str, Any]],
    metrics: pl.DataFrame,
    metric: str,
    target: float,
    earlier: EarlierCosts | None = None,
) -> Reach:
    """Find the first evaluated epoch at which each run reaches a target, and its cost by then.

    Args:
        runs: Rows of the ``runs`` frame; those that have not ended are left out.
        metrics: The ``metrics`` frame.
        metric: A column of ``metrics``: an accuracy reaches the target from below, a loss from
            above.
        target: In the metric's own units, an accuracy in [0, 1].
        earlier: What runs that were pruned by rounds had spent in those before their last.
    """
    value = pl.col(metric)
    met = value >= target if is_accuracy(metric) else value <= target
    first = metrics.filter(met & value.is_not_nan()).sort("epoch").unique("run", keep="first")
    crossing = {row["run"]: row for row in first.to_dicts()}
    ended = [run for run in runs if run["status"] in ("done", "diverged")]
    reached = [run["status"] == "done" and run["run"] in crossing for run in ended]

    def spent(run: Mapping[str, Any], there: bool, unit: str) -> float:
        if run["status"] == "diverged":
            return math.inf
        known = crossing[run["run"]][UNITS[unit]] if there else run[unit]
        before = 0.0 if earlier is None else added(earlier, run, unit)
        return math.nan if known is None else float(known) + before

    return Reach(
        tuple(run["seed"] for run in ended),
        np.array(reached, dtype=bool),
        {
            unit: np.array([spent(*pair, unit) for pair in zip(ended, reached, strict=True)])
            for unit in UNITS
        },
    )


def cost_to_reach(
    spent: ArrayLike,
    reached: ArrayLike,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> CostToReach:
    """Return the median cost of reaching a target with its bootstrap interval.

    The median is that of the empirical distribution of run lengths

        F(c) = #{runs that reached the target at a cost of at most c} / #{runs},

    in which a censored run stays in the denominator (Hoos & Stützle, *Stochastic Local Search*,
    2004, section 4.2). It is the Kaplan–Meier median wherever no run is censored below a cost at
    which another reached the target, as is so where all have the same budget.

    Args:
        spent: One a run, see `Reach.spent`.
        reached: Whether each run reached the target.
        level: Confidence level in (0, 1).
        resamples: Number of bootstrap resamples of the runs.
        seed: Seed of the NumPy generator.
    """
    x, there = np.asarray(spent, dtype=float), np.asarray(reached, dtype=bool)
    n = x.size
    if n == 0 or np.isnan(x).any():
        return CostToReach()
    if 2 * there.sum() <= n:
        return CostToReach(at_least=float(np.sort(x)[n // 2]))
    cost = np.where(there, x, np.inf)
    if n == 1:
        return CostToReach(median(cost))
    drawn = np.sort(cost[np.random.default_rng(seed).integers(n, size=(resamples, n))], axis=1)
    # The half sum of an infinity with itself is that infinity.
    interval = percentiles(0.5 * drawn[:, (n - 1) // 2] + 0.5 * drawn[:, n // 2], level)
    return CostToReach(median(cost), *(interval or (None, None)))


def compare(arms: Mapping[str, Reach], unit: str, level: float = 0.95) -> list[Comparison]:
    """Compare the arms two by two, as far as their costs are known.

    Of two runs i and j, j is known to be cheaper if it reached the target and i did not with at
    least as much spent, or did at a higher cost. With

        U_i = #{j known to be cheaper than i} - #{j known to be dearer than i}

    over the runs of both arms, the two-sided test permutes the sum of U over the first arm (Gehan,
    "A generalized Wilcoxon test for comparing arbitrarily singly-censored samples", Biometrika 52,
    1965, in Mantel's form, Biometrics 23, 1967). It is exact for equal budgets and holds at any
    number of runs. It takes the runs as independent: costs that a common seed moves together make
    it the more cautious. The p values of all comparisons are adjusted by Holm's step-down method
    (Scandinavian Journal of Statistics 6, 1979). An arm of a single run has p = 1.

    Args:
        arms: By name; those without a run, or whose cost was not recorded, are left out, and so
            are pairs neither of which has a run that reached the target.
        unit: Key of `UNITS`.
        level: One less the probability that any of the comparisons of equal arms is resolved.
    """
    known = {
        name: arm for name, arm in arms.items() if arm.seeds and not np.isnan(arm.spent[unit]).any()
    }
    pairs = [
        (a, b)
        for a, b in combinations(known, 2)
        if known[a].reached.any() or known[b].reached.any()
    ]
    tested = [_test(known[a], known[b], unit) for a, b in pairs]
    adjusted = holm([p for _, p in tested])
    found = []
    for (a, b), (advantage, p), p_adjusted in zip(pairs, tested, adjusted, strict=True):
        difference, common = _paired(known[a], known[b], unit)
        resolved = p_adjusted <= 1 - level
        found.append(Comparison(a, b, difference, common, advantage, p, p_adjusted, resolved))
    return found


def seeds_needed(comparisons: int, level: float = 0.95) -> int:
    """Return the fewest seeds an arm at which the test of `compare` can resolve two arms.

    No p value is below 2/C(2n, n), for n runs of each arm that the target tells apart entirely.
    """
    n = 1
    while comparisons * 2 / math.comb(2 * n, n) > 1 - level:
        n += 1
    return n


def _test(first: Reach, second: Reach, unit: str) -> tuple[float, float]:
    """The advantage of the first arm and the p value of the permutation test."""
    x = np.concatenate([first.spent[unit], second.spent[unit]])
    reached = np.concatenate([first.reached, second.reached])
    cheaper = reached[None, :] & np.where(reached[:, None], x[:, None] > x, x[:, None] >= x)
    score = cheaper.sum(axis=1) - cheaper.sum(axis=0)
    n = first.reached.size
    advantage = float(-score[:n].sum() / (n * (x.size - n)))
    if min(n, x.size - n) < 2:
        return advantage, 1.0
    from scipy.stats import permutation_test  # takes half a second to import

    result = permutation_test(
        (score[:n], score[n:]),
        lambda a, b, axis: a.sum(axis=axis),
        vectorized=True,
        n_resamples=PARTITIONS,
        rng=np.random.default_rng(0),
    )
    return advantage, float(result.pvalue)


def _paired(first: Reach, second: Reach, unit: str) -> tuple[float | None, int]:
    """The median paired difference where both reached the target, and over how many seeds."""
    costs = [
        {
            seed: cost
            for seed, there, cost in zip(arm.seeds, arm.reached, arm.spent[unit], strict=True)
            if there
        }
        for arm in (first, second)
    ]
    common = costs[0].keys() & costs[1].keys()
    if not common:
        return None, 0
    return median([costs[0][seed] - costs[1][seed] for seed in common]), len(common)
