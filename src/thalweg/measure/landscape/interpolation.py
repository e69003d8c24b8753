"""The straight line between two networks, and the barrier on it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.subject import AT_ONCE, Subject


@dataclass(frozen=True)
class Interpolation:
    """Loss and accuracy at (1 − α)·w₀ + α·w₁.

    Attributes:
        places: α from 0 to 1, float64.
        loss: At each, float64.
        accuracy: At each; NaN for regression.
        nonzero: Weights that are not 0 at each: between two masks it is their union.
    """

    places: Tensor
    loss: Tensor
    accuracy: Tensor
    nonzero: Tensor

    @property
    def barrier(self) -> float:
        """The most by which the loss rises above the straight line between the ends' losses,
        max_α L(α) − (1 − α)·L(0) − α·L(1), at least 0 (Frankle et al., arXiv:1912.05671, with the
        ends' own losses in place of their mean).
        """
        line = (1 - self.places) * self.loss[0] + self.places * self.loss[-1]
        return float((self.loss - line).max())


def interpolate(
    subject: Subject,
    first: int = 0,
    second: int = 1,
    points: int = 25,
) -> Interpolation:
    """Evaluate the networks between two of a subject's.

    Args:
        subject: The networks and the examples.
        first: Row of the network at α = 0, whose buffers all have.
        second: Row of that at α = 1.
        points: Places, the ends among them.

    Raises:
        InputError: Fewer than three places.
    """
    if points < 3:
        raise InputError(f"points = {points}: must be at least 3, or nothing lies between the ends")
    places = torch.linspace(0, 1, points, dtype=torch.float64)
    W = subject.cohort.W
    α = places.to(W).unsqueeze(1)
    between = (1 - α) * W[first] + α * W[second]
    found = subject.losses_at(between.split(AT_ONCE), first)
    nonzero = between.count_nonzero(1)
    return Interpolation(places, found.loss.cpu(), found.accuracy.cpu(), nonzero)
