"""Probes: named measurements, with options, whose figures can be printed and stored."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import Field

from thalweg.errors import InputError
from thalweg.measure.curvature import CurvatureMatrix
from thalweg.measure.curvature.density import STARTS, STEPS
from thalweg.measure.curvature.eigenpairs import MOST_PRODUCTS, End
from thalweg.measure.curvature.trace import PRODUCTS
from thalweg.measure.dynamics.options import DynamicsOptions
from thalweg.measure.features import feature_figures, jacobian_rank
from thalweg.measure.figures import Figures
from thalweg.measure.graphs.probe import GraphOptions, measure_graphs
from thalweg.measure.landscape.probes import (
    LandscapeOptions,
    LineOptions,
    measure_landscape,
    measure_line,
)
from thalweg.measure.own_probe import adopt
from thalweg.measure.sharpness import MEASURES, SharpnessOptions
from thalweg.measure.similarity.probe import SimilarityOptions, measure_similarity
from thalweg.measure.weights.probe import WeightsOptions, measure_weights
from thalweg.registry import Registry
from thalweg.validation import Options, validate


class HessianOptions(Options):
    """Eigenvalues from one end of the spectrum.

    Attributes:
        top: How many.
        end: Which end of the spectrum.
        tolerance: Relative residual at which an eigenvalue has converged.
        products: The most matrix-vector products.
    """

    top: int = Field(default=2, ge=1)
    end: End = "largest"
    tolerance: float = Field(default=1e-3, gt=0, lt=1)
    products: int = Field(default=MOST_PRODUCTS, ge=2)


class TraceOptions(Options):
    """``products``: matrix-vector products, which decide the error."""

    products: int = Field(default=PRODUCTS, ge=6)


class DensityOptions(Options):
    """``starts``: random vectors; ``steps``: products from each of them."""

    starts: int = Field(default=STARTS, ge=1)
    steps: int = Field(default=STEPS, ge=2)


Probe = Callable[[CurvatureMatrix, Any], list[Figures]]
"""``(matrix, options)`` → figures of each network."""


def measure_hessian(matrix: CurvatureMatrix, options: HessianOptions) -> list[Figures]:
    """Return eigenvalues with residuals and flags, and the spectral gap with its error."""
    found = matrix.top(options.top, options.end, options.tolerance, options.products)
    figures: list[Figures] = [
        {
            "eigenvalues": found.values[row].tolist(),
            "residuals": found.residuals[row].tolist(),
            "converged": found.converged[row].tolist(),
        }
        for row in range(len(found.values))
    ]
    if options.top > 1 and options.end == "largest":
        gap = matrix.gap(found)
        for row, own in enumerate(figures):
            own |= {
                "gap": float(gap.difference[row]),
                "ratio": float(gap.ratio[row]),
                "gap_error": float(gap.difference_error[row]),
                "ratio_error": float(gap.ratio_error[row]),
                "errors": gap.value_errors[row].tolist(),
            }
    return figures


def measure_trace(matrix: CurvatureMatrix, options: TraceOptions) -> list[Figures]:
    """Return the trace with its standard error, and the mean eigenvalue."""
    found = matrix.trace(options.products)
    return [
        {"trace": value, "error": error, "mean_eigenvalue": value / matrix.operator.dimension}
        for value, error in zip(found.values.tolist(), found.errors.tolist(), strict=True)
    ]


def measure_density(matrix: CurvatureMatrix, options: DensityOptions) -> list[Figures]:
    """Return the quadrature's nodes and weights, and mean and deviation of the eigenvalues."""
    found = matrix.density(options.starts, options.steps)
    means, deviations = found.moments()
    return [
        {
            "mean": float(means[row]),
            "deviation": float(deviations[row]),
            "smallest": float(nodes.min()),
            "largest": float(nodes.max()),
            "nodes": nodes.tolist(),
            "weights": found.weights[row].tolist(),
        }
        for row, nodes in enumerate(found.nodes)
    ]


def measure_sharpness(matrix: CurvatureMatrix, options: SharpnessOptions) -> list[Figures]:
    """Return every measure of sharpness."""
    found = {each.name: each.measure(matrix.subject, options).tolist() for each in MEASURES}
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


PROBES: Registry[Probe] = Registry("probe", adopt)
PROBES.add(
    "hessian",
    "eigenvalues at one end of the spectrum, and the spectral gap",
    HessianOptions,
    measure_hessian,
)
PROBES.add("trace", "trace of the curvature matrix (Hutch++)", TraceOptions, measure_trace)
PROBES.add(
    "density",
    "spectral density (stochastic Lanczos quadrature)",
    DensityOptions,
    measure_density,
)
PROBES.add(
    "sharpness",
    "measures of sharpness, and which are invariant to rescaling a ReLU unit",
    SharpnessOptions,
    measure_sharpness,
)
PROBES.add("line", "loss and accuracy along a line through the weights", LineOptions, measure_line)
PROBES.add(
    "landscape",
    "loss and accuracy on a plane through the weights, and the training's path in it",
    LandscapeOptions,
    measure_landscape,
)


class FeatureOptions(Options):
    """``jacobian``: examples of which the Jacobian's rank is taken; 0 for none of it."""

    jacobian: int = Field(default=200, ge=0)


def measure_features(matrix: CurvatureMatrix, options: FeatureOptions) -> list[Figures]:
    """Return how sparse the features are, by layer and in all, and the rank of the Jacobian."""
    figures: list[Figures] = [{**own} for own in feature_figures(matrix.subject)]
    for row, own in enumerate(figures):
        if options.jacobian:
            rank, effective = jacobian_rank(matrix.subject, row, options.jacobian)
            own |= {"jacobian_rank": rank, "effective_rank": effective}
    return figures


def measure_dynamics(matrix: CurvatureMatrix, options: DynamicsOptions) -> list[Figures]:
    """Refuse: there is nothing to see of a network at rest."""
    raise InputError(
        "probe 'dynamics' watches a training: name it in the [[probes]] of a study, with "
        'when = "every:N" or "last:N"'
    )


PROBES.add(
    "features",
    "share of active, distinct and dead ReLU units; rank of the Jacobian",
    FeatureOptions,
    measure_features,
)
PROBES.add(
    "similarity",
    "likeness of the layers' features (CKA), their effective rank and class separation",
    SimilarityOptions,
    measure_similarity,
)
PROBES.add(
    "weights",
    "distribution, tail, norms and ranks of the weights by layer, and how far they have come",
    WeightsOptions,
    measure_weights,
)
PROBES.add(
    "graph",
    "the kept weights as graphs: degrees, clustering, components, paths, spectra, against nulls",
    GraphOptions,
    measure_graphs,
)
PROBES.add(
    "dynamics",
    "instruments that watch a training step by step: cheap, standard or full",
    DynamicsOptions,
    measure_dynamics,
)

DATA_FREE = ("graph", "weights")
"""Probes that look at no example."""


def check_options(
    name: str, options: Mapping[str, Any], path: str = "", also: Sequence[str] = ()
) -> Options:
    """Return a probe's options, checked; ``path`` and ``also`` are as for `validate`.

    Raises:
        InputError: An unknown probe or option, or a wrong value.
    """
    kind = PROBES[name].options
    assert kind is not None
    return validate(kind, options, path, also)


def run_probe(matrix: CurvatureMatrix, name: str, options: Options) -> list[Figures]:
    """Return a probe's figures of each network, with what they cost and were taken on."""
    matrix.operator.products = 0
    found = PROBES[name].target(matrix, options)
    taken = {
        "products": matrix.operator.products,
        "examples": matrix.subject.examples,
        "seed": matrix.subject.seed,
    }
    return [{**own, **taken} for own in found]


def measure(
    matrix: CurvatureMatrix, names: Sequence[str], options: Mapping[str, Any]
) -> dict[str, Figures]:
    """Return the figures of some probes of one network.

    Args:
        matrix: The curvature matrix of the network.
        names: Probes.
        options: Shared by the probes: each takes those it knows.

    Raises:
        InputError: An unknown probe, an option that none of them takes, or a wrong value.
    """
    entries = [PROBES[name] for name in names]
    known = {key for entry in entries if entry.options for key in entry.options.model_fields}
    for key in options:
        if key not in known:
            allowed = ", ".join(sorted(known))
            raise InputError(f"{key}: is no option of {', '.join(names)} (allowed: {allowed})")
    figures = {}
    for entry in entries:
        assert entry.options is not None
        own = {k: v for k, v in options.items() if k in entry.options.model_fields}
        figures[entry.name] = run_probe(matrix, entry.name, check_options(entry.name, own))[0]
    return figures
