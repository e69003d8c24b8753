"""Measurements of trained networks, and of networks in training."""

from importlib import import_module
from typing import Any

from thalweg.measure.curvature import CurvatureMatrix, curvature_of
from thalweg.measure.curvature.hessian import hessian
from thalweg.measure.probes import PROBES, measure

__all__ = ["PROBES", "CurvatureMatrix", "Instruments", "curvature_of", "hessian", "measure"]


def __getattr__(name: str) -> Any:
    # It writes to the store, which stands above this room.
    if name == "Instruments":
        return import_module("thalweg.instruments").Instruments
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
