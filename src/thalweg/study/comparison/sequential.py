"""Looking at a comparison again and again as seeds are added, at an error rate that holds."""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

FIRST = 5
"""Seeds before which nobody looks."""

GROWTH = 1.5
"""Factor by which the seeds grow from one look to the next."""

PATHS = 400_000
"""Simulated studies that the levels rest on: the error rate they keep is known to ±0.0007."""


def looks(seeds: int, most: int) -> list[int]:
    """Return the numbers of seeds at which the comparisons are looked at: ``seeds``, or 5 if that
    is more, then half as many again each time, and ``most`` at the last.
    """
    found = [min(max(seeds, FIRST), most)]
    while found[-1] < most:
        found.append(min(ceil(found[-1] * GROWTH), most))
    return found


@lru_cache(maxsize=512)
def nominal_levels(counts: tuple[int, ...], most: int, size: float) -> tuple[float, ...]:
    """Return the levels at which p values of the successive looks are to be judged.

    The error is spent as the seeds are: by the look at n of N seeds no more than ``size·n/N``
    (Lan and DeMets, Biometrika 70, 1983, with the linear spending function of Kim and DeMets,
    Biometrika 74, 1987). So if the arms are equal,

        P(p ≤ aₖ at any look k) = size,

    when p is that of the paired t test of normal differences. The levels aₖ are found one after the
    other as order statistics among `PATHS` simulated studies, drawn by their sufficient statistics,
    that no earlier look has resolved; so the t statistics of successive looks depend on each other
    as they really do, without a normal approximation. No level is below what its own look spends,
    which is enough by Bonferroni's inequality where the simulation is too coarse.

    Args:
        counts: Seeds at the looks, rising, at least 2.
        most: The most seeds N, fixed before the first look; a look beyond it spends nothing.
        size: Probability of a false resolution at any look, in (0, 1).
    """
    p = _null_paths(counts)
    open_ = np.ones(len(p), dtype=bool)
    spent = 0.0
    found: list[float] = []
    for k, count in enumerate(counts):
        allowed = max(size * min(count / most, 1.0) - spent, 0.0)
        spent += allowed
        here = p[open_, k]
        hits = min(int(allowed * len(p)), here.size)
        reached = float(np.partition(here, hits - 1)[hits - 1]) if hits else 0.0
        found.append(max(reached, allowed))
        open_ &= p[:, k] > found[-1]
    return tuple(found)


@lru_cache(maxsize=4)
def _null_paths(counts: tuple[int, ...]) -> NDArray[np.float64]:
    """The p values of simulated studies of equal arms at their looks, studies × looks."""
    stream = np.random.default_rng(0)
    total, squares = np.zeros(PATHS), np.zeros(PATHS)
    found = np.empty((PATHS, len(counts)))
    before = 0
    for k, count in enumerate(counts):
        more = count - before
        added = stream.normal(scale=np.sqrt(more), size=PATHS)
        # Squares of the new differences: those of their mean and those around it.
        around = stream.chisquare(more - 1, size=PATHS) if more > 1 else 0.0
        total += added
        squares += added**2 / more + around
        t = np.abs(total) / np.sqrt(count * (squares - total**2 / count) / (count - 1))
        found[:, k] = 2 * stdtr(count - 1, -t)
        before = count
    return found


def resolved_at(p: Sequence[float], counts: Sequence[int], most: int, size: float) -> int | None:
    """Return the first look at which a comparison is resolved; None if there is none.

    Args:
        p: p value at each look.
        counts: Seeds at each look.
        most: As in `nominal_levels`.
        size: As in `nominal_levels`.
    """
    levels = nominal_levels(tuple(counts), most, size)
    return next((k for k, level in enumerate(levels) if p[k] <= level), None)


def resolve_all(
    p: Sequence[Sequence[float]], counts: Sequence[Sequence[int]], most: int, size: float
) -> list[int | None]:
    """Return for each of m comparisons the look that resolves it, by Holm's step-down method.

    As long as r are open, each is judged by the levels that keep ``size/r`` over all its looks;
    when one is resolved the others are judged anew by those of ``size/(r − 1)``, earlier looks
    among them. A comparison of equal arms would have to be resolved at ``size/r`` with all r true
    comparisons still open, so Bonferroni's inequality bounds the probability that any is by
    ``size``, over all comparisons and looks, however they depend on each other, and however the
    looks of one end because of another (Holm, Scandinavian Journal of Statistics 6, 1979; Ye, Li,
    Liu and Yao, Statistics in Medicine 32, 2013).

    Args:
        p: p values of the looks of each comparison.
        counts: Seeds at them.
        most: As in `nominal_levels`.
        size: Probability that any comparison of equal arms is resolved at any look.
    """
    found: list[int | None] = [None] * len(p)
    while left := [i for i, look in enumerate(found) if look is None]:
        for i in left:
            found[i] = resolved_at(p[i], counts[i], most, size / len(left))
        if all(found[i] is None for i in left):
            break
    return found
