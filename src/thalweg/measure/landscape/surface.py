"""The loss along a line or over a plane through a network's weights."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.subject import AT_ONCE, Subject


@dataclass(frozen=True)
class Surface:
    """Loss and accuracy at w + α·d₁ (+ β·d₂).

    Attributes:
        steps: α, and β for a plane, float64; 0 is among each.
        loss: ``(A,)`` for a line, ``(A, B)`` for a plane, float64.
        accuracy: The same shape; NaN for regression.
        by_class: Mean loss of each class's examples, ``(C, A)`` or ``(C, A, B)``; None where it was
            not asked for, and for regression.
    """

    steps: tuple[Tensor, ...]
    loss: Tensor
    accuracy: Tensor
    by_class: Tensor | None = None

    @property
    def at_origin(self) -> float:
        """The loss at the network itself."""
        return float(self.loss[tuple(int(each.abs().argmin()) for each in self.steps)])


def steps_of(radius: float, points: int) -> Tensor:
    """Return an odd number of places from −radius to radius, 0 exactly among them.

    Raises:
        InputError: The number is even or below 3, or the radius is not positive.
    """
    if points < 3 or points % 2 == 0:
        raise InputError(f"points = {points}: must be odd and at least 3, so that 0 is a place")
    if not radius > 0:
        raise InputError(f"radius = {radius}: must be greater than 0")
    half = torch.linspace(0, radius, points // 2 + 1, dtype=torch.float64)
    return torch.cat([-half[1:].flip(0), half])


def surface(
    subject: Subject,
    directions: Sequence[Tensor],
    steps: Sequence[Tensor],
    row: int = 0,
    by_class: bool = False,
) -> Surface:
    """Evaluate a network on a grid around its weights; the grid is a cohort, a row a place.

    Args:
        subject: The networks and the examples.
        directions: One or two of ``(D,)``.
        steps: Places along each, which hold 0.
        row: Of the network.
        by_class: Take the loss of each class's examples too.

    Raises:
        InputError: 0 is not among the places.
    """
    for each in steps:
        if not (each == 0).any():
            raise InputError("0 must be among the places, or the network itself is not seen")
    W = subject.cohort.W
    origin = W[row]
    grid = torch.cartesian_prod(*steps).reshape(-1, len(steps))
    stacked = torch.stack([direction.to(W) for direction in directions])
    # One product and sum for every place, so that the step 0 leaves the weights as they are.
    places = (origin + part.to(W) @ stacked for part in grid.split(AT_ONCE))
    found = subject.losses_at(places, row, by_class)
    shape = [len(each) for each in steps]
    classes = None if found.by_class is None else found.by_class.T.reshape(-1, *shape)
    return Surface(tuple(steps), found.loss.view(shape), found.accuracy.view(shape), classes)
