"""Costs of which some are known only to be larger than what was spent."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thalweg.study.comparison.wilson import wilson_interval


@dataclass(frozen=True)
class Survival:
    """The share of runs that have not reached a target, against what they spent.

    Attributes:
        costs: The costs at which runs reached it, rising.
        shares: Share not yet there from each of these costs on, up to the next.
        reached: Number of runs that reached it at each of these costs.
        at_risk: Number that had not before, and were still training.
        runs: Number of runs.
    """

    costs: NDArray[np.float64]
    shares: NDArray[np.float64]
    reached: NDArray[np.int64]
    at_risk: NDArray[np.int64]
    runs: int

    @property
    def median(self) -> float | None:
        """The least cost by which at least half have reached the target; None if they never do."""
        half = self.shares <= 0.5 + 1e-12
        return float(self.costs[half.argmax()]) if half.any() else None

    def band(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends of the pointwise interval of the share not yet there: before the first of
        the costs, and from each of them on.

        It is Wilson's interval with as many runs as would know the share so well had none stopped
        early,

            n' = S(1 − S)/V,    V = S²·Σ d/(r·(r − d))

        with Greenwood's variance V (Rothman, Journal of Chronic Diseases 31, 1978). Of runs that
        all had the same budget it is the interval of a share of n. Where S is 1, n' is the runs at
        risk; where S is 0, V has no value, and n' is that of the cost before.

        Args:
            level: Confidence level in (0, 1), of each cost by itself.
        """
        d, r = self.reached, self.at_risk
        left = r > d  # all but the cost at which the last run at risk reaches the target
        ratio = np.cumsum(np.where(left, d / (r * np.where(left, r - d, 1)), 0.0))
        first = float(r[0]) if r.size else float(self.runs)
        many = np.concatenate([[first], np.full(r.size, np.nan)])
        many[1:][left] = (1 - self.shares[left]) / (self.shares[left] * ratio[left])
        if not left.all():
            many[-1] = many[-2]
        return wilson_interval(np.concatenate([[1.0], self.shares]), many, level)

    def restricted_mean(self, until: float) -> tuple[float, float]:
        """Return the mean cost of reaching the target or spending τ, with its standard error.

        It is the area ∫₀^τ S under the curve (Irwin, Journal of Hygiene 47, 1949), of variance

            Σ over costs c < τ of (∫_c^τ S)² · d/(r·(r − d))

        (Klein and Moeschberger, *Survival Analysis*, 2003, section 4.5), 0 where none is left.

        Args:
            until: τ, in the unit of the costs; no more than what every run was ready to spend.
        """
        inside = self.costs < until
        ends = np.concatenate([[0.0], self.costs[inside], [until]])
        areas = np.concatenate([[1.0], self.shares[inside]]) * np.diff(ends)
        beyond = areas[::-1].cumsum()[::-1][1:]
        d, r = self.reached[inside], self.at_risk[inside]
        terms = np.where(r > d, beyond**2 * d / (r * np.maximum(r - d, 1)), 0.0)
        return float(areas.sum()), math.sqrt(float(terms.sum()))


def kaplan_meier(costs: ArrayLike, reached: ArrayLike) -> Survival:
    """Return the product-limit estimate of the share of runs that have not reached a target.

        S(c) = Π over costs cᵢ ≤ c of (1 − dᵢ/rᵢ),

    dᵢ runs reaching it at cᵢ, of the rᵢ that had not before and were still training (Kaplan and
    Meier, JASA 53, 1958). A run that stops without reaching the target is censored; one that
    diverged never reaches it, whatever is spent.

    Args:
        costs: What each run had spent when it reached the target, or in all; +inf if it diverged.
        reached: Whether each run reached it.

    Raises:
        ValueError: There are no runs, or a cost is NaN.
    """
    x, there = np.asarray(costs, dtype=float), np.asarray(reached, dtype=bool)
    if x.size == 0 or np.isnan(x).any():
        raise ValueError("costs must be given, and none be NaN")
    events, happened = np.unique(x[there], return_counts=True)
    at_risk = (x[None] >= events[:, None]).sum(axis=1)
    return Survival(events, np.cumprod(1 - happened / at_risk), happened, at_risk, x.size)
