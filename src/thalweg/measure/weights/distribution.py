"""The distribution of weights: moments, quantiles, histograms."""

from itertools import pairwise

import torch
from torch import Tensor

LEVELS = {
    "q01": 0.01,
    "q05": 0.05,
    "q25": 0.25,
    "median": 0.5,
    "q75": 0.75,
    "q95": 0.95,
    "q99": 0.99,
}
"""Quantiles by name."""

SIZE_EDGES = torch.arange(1, 101, dtype=torch.float64) / 100
"""Edges between the bins of |w|; the last bin is open."""

LOG10_EDGES = torch.arange(-80, 11, dtype=torch.float64) / 10
"""Edges between the bins of log10|w|; the first and the last bin are open."""


def moments(values: Tensor) -> dict[str, float]:
    """Return mean, standard deviation, skewness E(x − μ)³/σ³ and excess kurtosis
    E(x − μ)⁴/σ⁴ − 3, all of the values themselves and not estimates for what they are drawn from.

    Args:
        values: ``(n,)``; all are NaN of none.
    """
    mean = values.mean()
    centred = values - mean
    deviation = centred.square().mean().sqrt()
    standard = centred / deviation
    return {
        "mean": float(mean),
        "deviation": float(deviation),
        "skewness": float(standard.pow(3).mean()),
        "kurtosis": float(standard.pow(4).mean() - 3),
    }


def quantiles(ascending: Tensor) -> dict[str, float]:
    """Return the quantiles at `LEVELS` of sorted values ``(n,)``, interpolated linearly between
    the two nearest; NaN of none.
    """
    last = len(ascending) - 1
    if last < 0:
        return dict.fromkeys(LEVELS, float("nan"))
    places = last * torch.tensor([*LEVELS.values()], dtype=torch.float64, device=ascending.device)
    below = places.long()
    above = (below + 1).clamp(max=last)
    found = ascending[below].lerp(ascending[above], places - below)
    return dict(zip(LEVELS, found.tolist(), strict=True))


def histogram(values: Tensor, edges: Tensor) -> list[int]:
    """Return how many values lie in each bin; an edge belongs to the bin above it.

    Args:
        values: ``(n,)``.
        edges: Between the bins, ascending ``(b − 1,)``; the first and the last bin are open.
    """
    places = torch.bucketize(values, edges.to(values.device), right=True)
    found: list[int] = torch.bincount(places, minlength=len(edges) + 1).tolist()
    return found


def bins(edges: Tensor, lowest: float) -> list[list[float]]:
    """Return the two ends of each bin of `histogram`, the first from ``lowest`` on."""
    return [list(pair) for pair in pairwise([lowest, *edges.tolist(), float("inf")])]
