"""The loss around and between networks."""

from thalweg.measure.landscape.alignment import align, aligned_subject
from thalweg.measure.landscape.curve import Curve, connect
from thalweg.measure.landscape.directions import (
    TrajectoryPlane,
    filter_normalized,
    trajectory_plane,
)
from thalweg.measure.landscape.interpolation import Interpolation, interpolate
from thalweg.measure.landscape.surface import Surface, steps_of, surface

__all__ = [
    "Curve",
    "Interpolation",
    "Surface",
    "TrajectoryPlane",
    "align",
    "aligned_subject",
    "connect",
    "filter_normalized",
    "interpolate",
    "steps_of",
    "surface",
    "trajectory_plane",
]
