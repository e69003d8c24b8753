"""The probe of the weights."""

from collections.abc import Mapping, Sequence

import torch
from pydantic import Field
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.curvature import CurvatureMatrix
from thalweg.measure.figures import Figures
from thalweg.measure.origin import Origin
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
from thalweg.measure.weights.parts import parts_at, sizes_at
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
    of distributions are of the weights that are not 0. Where it is known what they were before
    training, and just before the pruning that made the network's mask, so are those. See
    docs/weights.md.

    Raises:
        InputError: The network has no weight of two dimensions or more.
    """
    subject = matrix.subject
    cohort = subject.cohort
    names = matrix_names(cohort.layout)
    if not names:
        raise InputError("the network has no weights of two dimensions or more to be looked at")
    return [
        _figures(names, cohort.layout.views(w), subject.origin(row), options.tail)
        for row, w in enumerate(cohort.W)
    ]


def _figures(
    names: Sequence[str], weights: Mapping[str, Tensor], origin: Origin, tail: float
) -> Figures:
    now = _by_layer(names, weights)
    initial, before = (
        None if own is None else _by_layer(names, own)
        for own in (origin.initial(), origin.before_pruning())
    )
    kept = None
    if origin.masks is not None:  # which leave alone what they do not name
        whole = {name: torch.ones_like(weights[name]) for name in names}
        kept = _by_layer(names, {**whole, **origin.masks})
    found = []
    for name, own in now.items():
        figures = _of_layer(name, own, tail)
        if initial is not None:
            there = initial[name].to(own)
            figures |= {**change(own, there), **sizes_at("initial", there)}
        for moment, weights_then in (("initial", initial), ("before", before)):
            if weights_then is not None and kept is not None:
                mask = kept[name].to(own.device) != 0
                figures |= parts_at(moment, weights_then[name].to(own), mask)
        found.append(figures)
    return {
        **{name: [own[name] for own in found] for name in found[0]},
        "size_bins": bins(SIZE_EDGES, 0),
        "log10_bins": bins(LOG10_EDGES, -torch.inf),
    }


def _of_layer(name: str, weights: Tensor, tail: float) -> Figures:
    kept = weights[weights != 0]
    sizes = kept.abs().sort().values
    exponent, error = hill(sizes, tail)
    norm, rank = spectral(weights) if weights.ndim > 1 else (float("nan"),) * 2
    return {
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


def _by_layer(names: Sequence[str], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of each layer, and of all together, in double precision."""
    found = {name: weights[name].double() for name in names}
    return {**found, ALL: torch.cat([own.flatten() for own in found.values()])}
