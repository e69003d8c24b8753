"""A training's path in a plane through where it ended."""

import torch
from torch import Tensor

MARGIN = 0.15
"""How far beyond the path a grid reaches, as a share of the path's extent."""


def coordinates(moved: Tensor, directions: Tensor) -> Tensor:
    """Return where points are nearest to in a plane, ``(T, 2)``, float64.

    Row t minimises ‖m_t − a·d₁ − b·d₂‖; the directions need be neither orthogonal nor of norm 1.

    Args:
        moved: Weights less those at the plane's origin, ``(T, D)``.
        directions: d₁ and d₂, ``(2, D)``.
    """
    nearest: Tensor = moved.double() @ torch.linalg.pinv(directions.double())
    return nearest


def steps_over(places: Tensor, points: int) -> Tensor:
    """Return so many evenly spaced steps that reach beyond all places, 0 exactly among them.

    Args:
        places: Coordinates of a path along one direction; 0 need not be inside their range.
        points: At least 3.
    """
    low, high = min(float(places.min()), 0.0), max(float(places.max()), 0.0)
    margin = MARGIN * (high - low)
    low, high = low - margin, high + margin
    below = min(max(round((points - 1) * -low / (high - low)), 1), points - 2)
    above = points - 1 - below
    spacing = max(-low / below, high / above)
    return spacing * torch.arange(-below, above + 1, dtype=torch.float64)
