"""Whether two figures go together over the arms of a study."""

import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from thalweg.study.statistics import Interval, mean_interval

FEWEST = 3
"""Arms that have an order to speak of."""

MOST_EXACT = 7
"""Arms up to which every pairing is counted."""

DRAWS = 2**15
"""Pairings drawn at random beyond."""


@dataclass(frozen=True)
class Association:
    """Spearman's rank correlation of two figures over the arms, seed by seed.

    Attributes:
        arms: How many.
        by_seed: ρ of each seed; NaN where a figure is the same for all arms.
        interval: Mean over seeds with its Student t interval, cut to [−1, 1]; None where no seed
            has a ρ.
        p: Of the t test of a mean of 0; 1 where there is no interval, or no spread to test by.
        p_arms: Share of the ways to pair one figure of each arm with the other figure of an arm
            in which the mean ρ is at least as far from 0.
    """

    arms: int
    by_seed: tuple[float, ...]
    interval: Interval | None
    p: float
    p_arms: float


def rank_association(first: ArrayLike, second: ArrayLike) -> Association:
    """Return how two figures go together over the arms, one rank correlation a seed.

    At each seed ``ρ = Σ r_a q_a / √(Σ r_a² Σ q_a²)`` with r and q the arms' centred ranks in the
    two figures, ties sharing their mean rank (Spearman, Am. J. Psychol. 15, 1904). All arms of a
    seed share initial weights and data order, which a rank within the seed leaves out. The seeds'
    ρ are independent, so their mean has a t interval: of the mean over seeds for *these* arms. What
    it would be with others is a question to the permutations of the arms (Fisher, 1935), the same
    at all seeds; p is (1 + #)/(1 + B) where they are drawn (Phipson & Smyth, 2010).

    Args:
        first: Arms × seeds; ±inf stands for a diverged run.
        second: The same of the other figure.

    Raises:
        ValueError: The shapes differ, there are fewer than three arms or no seed, or one is NaN.
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if x.shape != y.shape or x.ndim != 2 or len(x) < FEWEST or x.shape[1] == 0:
        raise ValueError(f"figures of shapes {x.shape}, {y.shape}: must be arms × seeds, from 3")
    if np.isnan(x).any() or np.isnan(y).any():
        raise ValueError("a figure is NaN")
    r, q = _ranks(x), _ranks(y)
    defined = (np.abs(r).sum(0) > 0) & (np.abs(q).sum(0) > 0)
    rho = np.where(defined, (r * q).sum(0), math.nan)
    by_seed = tuple(rho.tolist())
    if not defined.any():
        return Association(len(x), by_seed, None, 1.0, 1.0)
    interval = _within(mean_interval(rho[defined]))
    products = r[:, defined] @ q[:, defined].T / defined.sum()
    return Association(len(x), by_seed, interval, _t_test(rho[defined]), _over_arms(products))


def _ranks(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each column's mid-ranks, centred and of length 1; zeros where all are the same."""
    below = (figures[:, None] > figures[None]).sum(1)
    same = (figures[:, None] == figures[None]).sum(1)
    ranks: NDArray[np.float64] = below + (same + 1) / 2 - (len(figures) + 1) / 2
    length = np.sqrt((ranks**2).sum(0))
    return ranks / np.where(length > 0, length, 1.0)


def _within(interval: Interval) -> Interval:
    """Cut an interval to [−1, 1], where every mean of correlations lies."""
    if interval.low is None or interval.high is None:
        return interval
    return replace(interval, low=max(interval.low, -1.0), high=min(interval.high, 1.0))


def _t_test(rho: NDArray[np.float64]) -> float:
    if rho.size < 2 or np.ptp(rho) < 1e-12:  # equal but for their last bits
        return 1.0
    t = abs(rho.mean()) / (rho.std(ddof=1) / math.sqrt(rho.size))
    return float(2 * stdtr(rho.size - 1, -t))


def _over_arms(products: NDArray[np.float64]) -> float:
    """Return p of the trace of a matrix among those with its columns permuted."""
    m = len(products)
    seen = abs(np.trace(products)) - 1e-12  # sums of the same terms differ in their last bits
    orders = _orders(m)
    as_far = int((np.abs(products[np.arange(m), orders].sum(1)) >= seen).sum())
    return as_far / len(orders) if m <= MOST_EXACT else (1 + as_far) / (1 + len(orders))


@cache
def _orders(m: int) -> NDArray[np.int64]:
    """Return the orders of m arms: all, or draws of them."""
    if m <= MOST_EXACT:
        return np.array(list(permutations(range(m))))
    return np.random.default_rng(0).permuted(np.tile(np.arange(m), (DRAWS, 1)), axis=1)
