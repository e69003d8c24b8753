"""Directions in which a loss is looked at."""

from dataclasses import dataclass

import torch
from torch import Tensor

from thalweg.cohort.layout import Layout
from thalweg.errors import InputError
from thalweg.randomness import generator

SMALLEST = 1e-10
"""Keeps a filter of zeros from dividing by zero."""


def filter_normalized(
    weights: Tensor, layout: Layout, seed: int, index: int = 0, mask: Tensor | None = None
) -> Tensor:
    """Return a random direction with the filters' norms of the weights, ``(D,)``.

    d ← d·‖w‖/(‖d‖ + 1e-10) for every filter: a row of a matrix, an output channel of a kernel; d is
    normal. Biases and norm scales have 0. So two networks whose filters differ in scale alone have
    landscapes that can be compared (Li et al., arXiv:1712.09913; the normal distribution and the
    zeros are those of their code).

    Args:
        weights: Of the network, ``(D,)``.
        layout: Where each parameter lies.
        seed: Root seed.
        index: Which of several directions.
        mask: Weights that may be nonzero; the direction has 0 elsewhere, before its norm is taken.
    """
    draw = generator(seed, "probe", 2, index)
    direction = torch.randn(layout.size, generator=draw).to(weights)
    if mask is not None:
        direction = torch.where(mask, direction, 0.0)
    own = layout.views(weights)
    for name, d in layout.views(direction).items():
        if d.ndim < 2:
            d.zero_()
            continue
        rows, w = d.reshape(len(d), -1), own[name].reshape(len(d), -1)
        scale = w.norm(dim=1) / (rows.norm(dim=1) + SMALLEST)
        d.mul_(scale.view(-1, *[1] * (d.ndim - 1)))
    return direction


@dataclass(frozen=True)
class TrajectoryPlane:
    """The plane that holds most of a training's path, seen from where it ended.

    Attributes:
        directions: Two orthonormal directions ``(2, D)``.
        explained: Their shares of the variance, ``(2,)``, float64.
        path: Coordinates of the checkpoints in the plane, ``(T, 2)``.
    """

    directions: Tensor
    explained: Tensor
    path: Tensor


def trajectory_plane(path: Tensor) -> TrajectoryPlane:
    """Return the first two principal directions of checkpoints about the last of them.

    They are the right singular vectors of the rows W_t − W_T (Li et al., arXiv:1712.09913, who do
    not subtract the mean, so that the end is the origin).

    Args:
        path: Weights along a training ``(T, D)``, the last where it ended.

    Raises:
        InputError: Fewer than three checkpoints, or they lie on a line.
    """
    if len(path) < 3:
        raise InputError(f"a plane through a training takes three checkpoints, not {len(path)}")
    moved = (path[:-1] - path[-1]).double()
    _, sizes, vectors = torch.linalg.svd(moved, full_matrices=False)
    if sizes[1] <= 1e-7 * sizes[0]:
        raise InputError("the checkpoints lie on a line; they span no plane")
    directions = vectors[:2]
    coordinates = (path - path[-1]).double() @ directions.T
    shares = sizes.square() / sizes.square().sum()
    return TrajectoryPlane(directions.to(path), shares[:2], coordinates)
