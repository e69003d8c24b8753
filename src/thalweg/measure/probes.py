"""Probes: named measurements, with options, whose figures can be printed and stored."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import Field

from thalweg.errors import InputError
from thalweg.measure.curvature import CurvatureMatrix
from thalweg.measure.curvature.density import STARTS, STEPS
from thalweg.measure.curvature.eigenpairs import MOST_PRODUCTS, End
from thalweg.measure.curvature.trace import PRODUCTS
from thalweg.measure.sharpness import MEASURES, SharpnessOptions
from thalweg.registry import Registry
from thalweg.validation import Options, validate

Figures = dict[str, Any]
"""Plain values by name; NaN for what is undefined."""


class HessianOptions(Options):
    """``top`` eigenvalues from one ``end`` of the spectrum, to a relative residual of
    ``tolerance`` in at most so many ``products``.
    """

    top: int = Field(default=2, ge=1)
    end: End = "largest"
    tolerance: float = Field(default=1e-3, gt=0, lt=1)
    products: int = Field(default=MOST_PRODUCTS, ge=2)


class TraceOptions(Options):
    """``products`` decide the error."""

    products: int = Field(default=PRODUCTS, ge=6)


class DensityOptions(Options):
    """``starts`` random vectors of ``steps`` products each."""

    starts: int = Field(default=STARTS, ge=1)
    steps: int = Field(default=STEPS, ge=2)


Probe = Callable[[CurvatureMatrix, Any], Figures]
"""``(matrix, options)`` → figures of one network."""


def measure_hessian(matrix: CurvatureMatrix, options: HessianOptions) -> Figures:
    """Return eigenvalues with residuals and flags, and the spectral gap with its error."""
    found = matrix.top(options.top, options.end, options.tolerance, options.products)
    figures: Figures = {
        "eigenvalues": found.values[0].tolist(),
        "residuals": found.residuals[0].tolist(),
        "converged": found.converged[0].tolist(),
        "products": found.products,
    }
    if options.top > 1 and options.end == "largest":
        gap = matrix.gap(found)
        figures |= {
            "gap": float(gap.difference),
            "ratio": float(gap.ratio),
            "gap_error": float(gap.difference_error),
            "ratio_error": float(gap.ratio_error),
            "errors": gap.value_errors[0].tolist(),
        }
        figures["products"] = matrix.operator.products
    return {**figures, **_sample(matrix)}


def measure_trace(matrix: CurvatureMatrix, options: TraceOptions) -> Figures:
    """Return the trace with its standard error, and the mean eigenvalue."""
    found = matrix.trace(options.products)
    return {
        "trace": float(found.values),
        "error": float(found.errors),
        "mean_eigenvalue": float(found.values) / matrix.operator.dimension,
        "products": found.products,
        **_sample(matrix),
    }


def measure_density(matrix: CurvatureMatrix, options: DensityOptions) -> Figures:
    """Return the quadrature's nodes and weights, and mean and deviation of the eigenvalues."""
    found = matrix.density(options.starts, options.steps)
    mean, deviation = found.moments()
    return {
        "mean": float(mean),
        "deviation": float(deviation),
        "smallest": float(found.nodes.min()),
        "largest": float(found.nodes.max()),
        "nodes": found.nodes[0].tolist(),
        "weights": found.weights[0].tolist(),
        "products": found.products,
        **_sample(matrix),
    }


def measure_sharpness(matrix: CurvatureMatrix, options: SharpnessOptions) -> Figures:
    """Return every measure of sharpness, and which are invariant to rescaling a ReLU unit."""
    return {
        "measure": [each.name for each in MEASURES],
        "value": [float(each.measure(matrix.subject, options)) for each in MEASURES],
        "invariant": [each.invariant for each in MEASURES],
        **_sample(matrix),
    }


PROBES: Registry[Probe] = Registry("probe")
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
        matrix.operator.products = 0
        figures[entry.name] = entry.target(matrix, validate(entry.options, own, ""))
    return figures


def _sample(matrix: CurvatureMatrix) -> Figures:
    subject = matrix.subject
    return {"examples": subject.examples, "seed": subject.seed}
