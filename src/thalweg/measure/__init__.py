"""Measurements of trained networks."""

from thalweg.measure.curvature import CurvatureMatrix, curvature_of
from thalweg.measure.curvature.hessian import hessian
from thalweg.measure.probes import PROBES, measure

__all__ = ["PROBES", "CurvatureMatrix", "curvature_of", "hessian", "measure"]
