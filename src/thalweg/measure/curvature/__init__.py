"""Curvature of the loss: eigenvalues, trace, density, and the products they are made of."""

from thalweg.measure.curvature.density import Density, density
from thalweg.measure.curvature.eigenpairs import Eigenpairs, eigenpairs
from thalweg.measure.curvature.gap import Gap, spectral_gap
from thalweg.measure.curvature.hessian import CurvatureMatrix, curvature_of
from thalweg.measure.curvature.lanczos import Tridiagonal, lanczos
from thalweg.measure.curvature.operator import (
    CurvatureOperator,
    Operator,
    PreconditionedOperator,
    support_of,
)
from thalweg.measure.curvature.trace import Trace, trace

__all__ = [
    "CurvatureMatrix",
    "CurvatureOperator",
    "Density",
    "Eigenpairs",
    "Gap",
    "Operator",
    "PreconditionedOperator",
    "Trace",
    "Tridiagonal",
    "curvature_of",
    "density",
    "eigenpairs",
    "lanczos",
    "spectral_gap",
    "support_of",
    "trace",
]
