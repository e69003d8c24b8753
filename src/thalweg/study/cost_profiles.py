"""How often an arm reaches targets at a cost near the lowest, over several tasks and targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thalweg.study.sensitivity import RESAMPLES

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CostProfile:
    """An arm's profile.

    Attributes:
        ratios: τ, rising from 1.
        shares: Share of the cases within each.
        low: Lower ends of its pointwise interval.
        high: Upper ends.
    """

    ratios: Floats
    shares: Floats
    low: Floats
    high: Floats


def cost_profiles(
    cases: Sequence[Mapping[str, ArrayLike]],
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, CostProfile]:
    """Return the profile of each arm over m cases, a case being a target on a task.

        ρ(τ) = #{cases in which the arm's median cost ≤ τ · the lowest median of any arm} / m

    (Dolan and Moré, Mathematical Programming 91, 2002; by medians of reruns as in Dahl et al.,
    arXiv:2306.07179, section 4.4). A case that no arm reaches counts against all. The band is the
    percentile bootstrap over seeds: the cases are those of the study and stay, and runs of one
    place in the order of seeds are drawn together, in all cases and of all arms.

    Args:
        cases: By arm, what each run of it spent to reach the target, in the order of seeds; +inf
            where it never did. All cases have the same arms.
        level: Confidence level in (0, 1), of each ratio by itself.
        resamples: Number of bootstrap resamples.
        seed: Seed of the NumPy generator.
    """
    arms = list(cases[0])
    costs = [[np.asarray(case[arm], dtype=float) for arm in arms] for case in cases]
    found = _ratios(np.array([[_median(x[None])[0] for x in case] for case in costs]))
    places = np.random.default_rng(seed).random(
        (resamples, max(x.size for case in costs for x in case))
    )
    drawn = _ratios(
        np.array(
            [
                [_median(x[(places[:, : x.size] * x.size).astype(int)]) for x in case]
                for case in costs
            ]
        )
    )
    ratios = np.unique([1.0, *found[np.isfinite(found)]])
    within = drawn[:, :, :, None] <= ratios
    tail = (1 - level) / 2
    low, high = np.quantile(within.mean(axis=0), [tail, 1 - tail], axis=1, method="nearest")
    shares = (found[:, :, None] <= ratios).mean(axis=0)
    return {arm: CostProfile(ratios, shares[i], low[i], high[i]) for i, arm in enumerate(arms)}


def _median(costs: Floats) -> Floats:
    """The median of each row; infinite unless more than half of it is finite."""
    ordered, n = np.sort(costs, axis=1), costs.shape[1]
    # The half sum of an infinity with itself is that infinity.
    return 0.5 * ordered[:, (n - 1) // 2] + 0.5 * ordered[:, n // 2]


def _ratios(medians: Floats) -> Floats:
    """The medians of cases × arms × … over the lowest of their case, infinite where there is none;
    of costs of nothing nothing but 0 is within any ratio.
    """
    lowest = np.broadcast_to(medians.min(axis=1, keepdims=True), medians.shape)
    able = np.isfinite(medians) & (lowest > 0)
    found = np.where(np.isfinite(medians) & (medians == lowest), 1.0, np.inf)
    np.divide(medians, lowest, out=found, where=able)
    return found
