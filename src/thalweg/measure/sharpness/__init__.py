"""How sharp the minimum is that a network lies in."""

from thalweg.measure.sharpness.measures import MEASURES, Sharpness, SharpnessOptions

__all__ = ["MEASURES", "Sharpness", "SharpnessOptions"]
