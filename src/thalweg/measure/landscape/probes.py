"""The probes that look at the loss around a network: along a line, and over a plane."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.curvature import CurvatureMatrix
from thalweg.measure.figures import Figures
from thalweg.measure.landscape.directions import filter_normalized, trajectory_plane
from thalweg.measure.landscape.path import coordinates, steps_over
from thalweg.measure.landscape.surface import steps_of, surface
from thalweg.validation import Options

PLACES = 20
"""Along a training, for the plane that holds most of its path."""


def _odd(points: int) -> int:
    if points % 2 == 0:
        raise ValueError("must be odd, so that the network itself is among them")
    return points


def _long_enough(path: int) -> int:
    if path in (1, 2):
        raise ValueError("must be 0 or at least 3")
    return path


Points = Annotated[int, Field(ge=3), AfterValidator(_odd)]


class LineOptions(Options):
    """The loss at so many ``points`` from −``radius`` to ``radius``: along the Hessian's top
    eigenvector (of length 1), or along a random direction with the filters' norms of the weights.
    """

    direction: Literal["random", "eigenvector"] = "random"
    radius: float = Field(default=1.0, gt=0)
    points: Points = 21


class LandscapeOptions(Options):
    """The loss on a plane through the network, at ``points`` × ``points`` places.

    Attributes:
        directions: What spans the plane: "random" (two directions with the filters' norms of the
            weights), "eigenvectors" (the two of the largest eigenvalues, of length 1) or
            "trajectory" (the plane that holds most of the training's path). They are 0 where the
            network's mask is.
        radius: The grid reaches from −radius to radius; 1 where none is given. That of a trajectory
            holds the whole path instead.
        points: Places along each direction, an odd number.
        classes: Take the loss of each class's examples too.
        path: Places of the training at which its path in the plane is taken, the first and the last
            step among them; 0 for none, 20 for a trajectory where none is given.
    """

    directions: Literal["random", "eigenvectors", "trajectory"] = "random"
    radius: float | None = Field(default=None, gt=0)
    points: Points = 21
    classes: bool = False
    path: Annotated[int, Field(ge=0), AfterValidator(_long_enough)] = 0

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        if given.get("directions") == "trajectory":
            return {"path": PLACES, **given}
        return given if given.get("radius") is not None else {**given, "radius": 1.0}

    @model_validator(mode="after")
    def _check_trajectory(self) -> Self:
        if self.directions == "trajectory":
            if self.radius is not None:
                raise ValueError(
                    f"radius = {self.radius:g}: must be left out where directions = "
                    '"trajectory", whose grid holds the whole path'
                )
            if self.path == 0:
                raise ValueError('path = 0: must be at least 3 where directions = "trajectory"')
        return self


def measure_line(matrix: CurvatureMatrix, options: LineOptions) -> list[Figures]:
    """Return loss and accuracy at places along a line through each network."""
    subject = matrix.subject
    cohort = subject.cohort
    steps = steps_of(options.radius, options.points)
    if options.direction == "eigenvector":
        directions = list(matrix.top(1).vectors[:, 0])
    else:
        directions = [filter_normalized(w, cohort.layout, subject.seed) for w in cohort.W]
    figures = []
    for row, direction in enumerate(directions):
        found = surface(subject, [direction], [steps], row)
        figures.append(
            {
                "step": steps.tolist(),
                "loss": found.loss.tolist(),
                "accuracy": found.accuracy.tolist(),
            }
        )
    return figures


@dataclass(frozen=True)
class Plane:
    """A plane through a network.

    Attributes:
        directions: Two, ``(2, D)``.
        path: Coordinates of the training's path, ``(T, 2)``; None for none.
        about: Figures that tell about the directions.
    """

    directions: Tensor
    path: Tensor | None
    about: Figures


def measure_landscape(matrix: CurvatureMatrix, options: LandscapeOptions) -> list[Figures]:
    """Return loss and accuracy on a plane through each network: ``loss[i][j]`` is that of the step
    ``steps[0][i]`` along the first direction and ``steps[1][j]`` along the second.

    Raises:
        InputError: A path is asked for of a network whose training left none; losses of classes,
            and the task has none.
    """
    subject = matrix.subject
    if options.classes and subject.task.loss != "cross_entropy":
        raise InputError(
            f"classes = true: must be false for task {subject.task.name!r}, which has no classes"
        )
    figures = []
    for row, plane in enumerate(_planes(matrix, options)):
        if options.radius is None:
            assert plane.path is not None
            steps = [steps_over(places, options.points) for places in plane.path.T]
        else:
            steps = [steps_of(options.radius, options.points)] * 2
        found = surface(subject, list(plane.directions), steps, row, options.classes)
        own: Figures = {
            "steps": [each.tolist() for each in steps],
            "loss": found.loss.tolist(),
            "accuracy": found.accuracy.tolist(),
        }
        if found.by_class is not None:
            own["class_loss"] = found.by_class.tolist()
        if plane.path is not None:
            own["path"] = plane.path.tolist()
            own["path_steps"] = list(subject.origin(row).steps)
        figures.append({**own, **plane.about})
    return figures


def _planes(matrix: CurvatureMatrix, options: LandscapeOptions) -> list[Plane]:
    W, support = matrix.subject.cohort.W, _support(matrix)
    paths = [_moved(matrix, row, support[row]) if options.path else None for row in range(len(W))]
    if options.directions == "trajectory":
        return [_trajectory(moved) for moved in paths if moved is not None]
    if options.directions == "eigenvectors":
        inside = matrix.within(support)
        found = inside.top(2)
        matrix.operator.products += inside.operator.products
        directions = list(found.vectors)
        about: list[Figures] = [
            {
                "eigenvalues": found.values[row].tolist(),
                "residuals": found.residuals[row].tolist(),
                "converged": found.converged[row].tolist(),
            }
            for row in range(len(W))
        ]
    else:
        layout, seed = matrix.subject.cohort.layout, matrix.subject.seed
        directions = [
            torch.stack([filter_normalized(w, layout, seed, i, own) for i in range(2)])
            for w, own in zip(W, support, strict=True)
        ]
        about = [{} for _ in W]
    return [
        Plane(spanned, None if moved is None else coordinates(moved, spanned), own)
        for spanned, moved, own in zip(directions, paths, about, strict=True)
    ]


def _trajectory(moved: Tensor) -> Plane:
    found = trajectory_plane(moved)
    return Plane(found.directions, found.path, {"explained": found.explained.tolist()})


def _support(matrix: CurvatureMatrix) -> Tensor:
    """Return the weights that the matrix is about and the networks' own masks leave, ``(K, D)``."""
    subject, support = matrix.subject, matrix.operator.support
    found = torch.ones_like(subject.cohort.W, dtype=torch.bool)
    for row, own_mask in enumerate(found):
        subject.cohort.layout.write(own_mask, subject.origin(row).masks or {})
    return found if support is None else found & support


def _moved(matrix: CurvatureMatrix, row: int, support: Tensor) -> Tensor:
    """Return the weights along a network's training less its own, within a support, ``(T, D)``."""
    cohort, origin = matrix.subject.cohort, matrix.subject.origin(row)
    if not origin.path:
        raise InputError(
            "path: there are no weights along a training here; the runs of a study leave them "
            "where its [[probes]] ask for a path"
        )
    moved = cohort.W.new_zeros(len(origin.path), cohort.layout.size)
    for there, weights in zip(moved, origin.path, strict=True):
        cohort.layout.write(there, {name: weights[name] for name in cohort.layout.names})
    return (moved - cohort.W[row]).masked_fill_(~support, 0)
