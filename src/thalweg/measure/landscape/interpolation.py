"""The straight line between two networks, and the barrier on a path."""

from dataclasses import dataclass

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.subject import AT_ONCE, Subject


@dataclass(frozen=True)
class Interpolation:
    """Loss and accuracy on a path from one network to another.

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
    """Evaluate the networks (1 − α)·w₀ + α·w₁ between two of a subject's.

    Args:
        subject: The networks and the examples.
        first: Row of the network at α = 0.
        second: Row of that at α = 1.
        points: Places, the ends among them.

    Raises:
        InputError: Fewer than three places, or buffers that differ (the statistics of batch norm):
            a network between would need its own.
    """
    if points < 3:
        raise InputError(f"points = {points}: must be at least 3, or nothing lies between the ends")
    for name, stacked in subject.cohort.buffers.items():
        if not torch.equal(stacked[first], stacked[second]):
            raise InputError(
                f"buffer {name!r}: must be the same in both networks; one between them would need "
                "its own"
            )
    places = torch.linspace(0, 1, points, dtype=torch.float64)
    W = subject.cohort.W
    between = torch.lerp(W[first], W[second], places.to(W).unsqueeze(1))
    return evaluate_path(subject, places, between, first)


def evaluate_path(subject: Subject, places: Tensor, weights: Tensor, row: int) -> Interpolation:
    """Evaluate networks ``(P, D)`` at places of a path; they have the buffers of a row."""
    found = subject.losses_at(weights.split(AT_ONCE), row)
    nonzero = weights.count_nonzero(1)
    return Interpolation(places, found.loss.cpu(), found.accuracy.cpu(), nonzero)
