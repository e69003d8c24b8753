"""The probe of the weights."""

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.curvature import CurvatureMatrix
from thalweg.measure.figures import Figures
from thalweg.measure.weights.change import change
from thalweg.measure.weights.distribution import (
    LOG10_EDGES,
    SIZE_EDGES,
    bins,
    histogram,
    moments,
    quantiles,
)
from thalweg.measure.weights.fits import fits, hill
from thalweg.measure.weights.matrices import matrix_names, spectral
from thalweg.validation import Options

ALL = "all"
"""Name of the last entry of every list, which is of the weights of all layers together."""


class WeightsOptions(Options):
    """``tail``: share of the largest weights of which the exponent of the tail is taken."""

    tail: float = Field(default=0.05, gt=0, lt=1)


def measure_weights(matrix: CurvatureMatrix, options: WeightsOptions) -> list[Figures]:
    """Return what the weight matrices and kernels of each network are like, by layer and in all;
    biases and norms are left out.

    Every figure is a list with an entry a layer and one for all, in the order of ``layer``. Figures
    of distributions are of the weights that are not 0. See docs/weights.md.

    Raises:
        InputError: The network has no weight of two dimensions or more.
    """
    subject = matrix.subject
    cohort = subject.cohort
    names = matrix_names(cohort.layout)
    if not names:
        raise InputError("the network has no weights of two dimensions or more to be looked at")
    return [
        _figures(names, cohort.layout.views(w), subject.origin(row).initial(), options.tail)
        for row, w in enumerate(cohort.W)
    ]


def _figures(
    names: Sequence[str],
    weights: Mapping[str, Tensor],
    initial: Mapping[str, Tensor] | None,
    tail: float,
) -> Figures:
    parts = _parts(names, weights)
    before = None if initial is None else _parts(names, initial)
    found = [
        _of_layer(name, own, None if before is None else before[name].to(own), tail)
        for name, own in parts.items()
    ]
    return {
        **{name: [own[name] for own in found] for name in found[0]},
        "size_bins": bins(SIZE_EDGES, 0),
        "log10_bins": bins(LOG10_EDGES, -torch.inf),
    }


def _of_layer(name: str, weights: Tensor, initial: Tensor | None, tail: float) -> Figures:
    kept = weights[weights != 0]
    sizes = kept.abs().sort().values
    exponent, error = hill(sizes, tail)
    norm, rank = spectral(weights) if weights.ndim > 1 else (float("nan"),) * 2
    figures: Figures = {
        "layer": name,
        "count": weights.numel(),
        "nonzero": len(kept) / weights.numel(),
        **moments(kept),
        **quantiles(sizes),
        **fits(sizes),
        "tail_exponent": exponent,
        "tail_error": error,
        "spectral_norm": norm,
        "stable_rank": rank,
        "size_counts": histogram(sizes, SIZE_EDGES),
        "log10_counts": histogram(sizes.log10(), LOG10_EDGES),
    }
    return figures if initial is None else figures | change(weights, initial)


def _parts(names: Sequence[str], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of each layer, and of all together, in double precision."""
    found = {name: weights[name].double() for name in names}
    return {**found, ALL: torch.cat([own.flatten() for own in found.values()])}
