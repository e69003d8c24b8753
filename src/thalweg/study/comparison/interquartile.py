"""The mean of the middle half."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thalweg.study.comparison.bootstrap import RESAMPLES, draws
from thalweg.study.comparison.improvement import Estimate
from thalweg.study.statistics import percentiles


def interquartile_mean(
    strata: Sequence[ArrayLike],
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return the mean of all runs without the ⌊n/4⌋ lowest and as many highest, with an interval.

    The interval is a percentile bootstrap that draws runs within each stratum (Agarwal et al.,
    NeurIPS 2021, section 4.2). Up to a quarter of the runs may diverge before it is infinite.

    Args:
        strata: The runs' figures, one array a task; ±inf for a diverged run.
        level: Confidence level in (0, 1).
        resamples: Number of bootstrap resamples.
        seed: Seed of the NumPy generator.

    Raises:
        ValueError: There are no figures.
    """
    groups = [np.asarray(stratum, dtype=float) for stratum in strata]
    pooled = np.concatenate(groups) if groups else np.empty(0)
    if pooled.size == 0:
        raise ValueError("no values")
    value = float(_middle(pooled[None])[0])
    if min(group.size for group in groups) < 2:
        return Estimate(value, None, None)
    drawn = [group[draws(group.size, resamples, seed + i)] for i, group in enumerate(groups)]
    interval = percentiles(_middle(np.concatenate(drawn, axis=1)), level)
    return Estimate(value, *(interval or (None, None)))


def _middle(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interquartile means of the rows; infinite where a row keeps an infinite value."""
    ordered = np.sort(rows, axis=1)
    cut = rows.shape[1] // 4
    return np.asarray(ordered[:, cut : rows.shape[1] - cut].mean(axis=1))
