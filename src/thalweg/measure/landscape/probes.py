"""The probes that look at the loss around a network: along a line, and over a plane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor

from thalweg.data import Task
from thalweg.errors import InputError
from thalweg.measure.curvature import CurvatureMatrix
from thalweg.measure.figures import Figures
from thalweg.measure.landscape.directions import filter_normalized, trajectory_plane
from thalweg.measure.landscape.path import coordinates, steps_over
from thalweg.measure.landscape.surface import steps_of, surface
from thalweg.measure.origin import TrainingPath
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
    """The loss along a line through the network.

    Attributes:
        direction: "eigenvector": the Hessian's of the largest eigenvalue, of length 1; "random":
            one with the filters' norms of the weights.
        radius: The line reaches from −radius to radius.
        points: Places along the line, an odd number.
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

    def check(self, task: Task) -> None:
        """Check that a task has what the options ask for.

        Raises:
            InputError: It has no classes.
        """
        if self.classes and task.loss != "cross_entropy":
            raise InputError(
                f"classes = true: must be false for task {task.name!r}, which has no classes"
            )


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
    subject, rows = matrix.subject, range(matrix.subject.cohort.rows)
    options.check(subject.task)
    support = _support(matrix)
    paths = [subject.origin(row).path(options.path) if options.path else None for row in rows]
    moved = [
        None if path is None else _moved(matrix, row, path, support[row])
        for row, path in enumerate(paths)
    ]
    figures = []
    for row, plane in enumerate(_planes(matrix, options, support, moved)):
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
        path = paths[row]
        if path is not None and plane.path is not None:
            own["path"], own["path_steps"] = plane.path.tolist(), list(path.steps)
        figures.append({**own, **plane.about})
    return figures


def _planes(
    matrix: CurvatureMatrix,
    options: LandscapeOptions,
    support: Tensor,
    paths: Sequence[Tensor | None],
) -> list[Plane]:
    if options.directions == "trajectory":
        return [_trajectory(moved) for moved in paths if moved is not None]
    if options.directions == "eigenvectors":
        spanned, about = _eigenvectors(matrix, support)
    else:
        spanned, about = _random(matrix, support), [{}] * len(paths)
    return [
        Plane(directions, None if moved is None else coordinates(moved, directions), own)
        for directions, moved, own in zip(spanned, paths, about, strict=True)
    ]


def _trajectory(moved: Tensor) -> Plane:
    found = trajectory_plane(moved)
    return Plane(found.directions, found.path, {"explained": found.explained.tolist()})


def _eigenvectors(matrix: CurvatureMatrix, support: Tensor) -> tuple[Tensor, list[Figures]]:
    """Return the two eigenvectors of each network, ``(K, 2, D)``, and what tells about them."""
    inside = matrix.within(support)
    found = inside.top(2)
    matrix.operator.products += inside.operator.products
    names = ("eigenvalues", "residuals", "converged")
    columns = (each.tolist() for each in (found.values, found.residuals, found.converged))
    return found.vectors, [dict(zip(names, own, strict=True)) for own in zip(*columns, strict=True)]


def _random(matrix: CurvatureMatrix, support: Tensor) -> Tensor:
    cohort, seed = matrix.subject.cohort, matrix.subject.seed
    return torch.stack(
        [
            torch.stack([filter_normalized(w, cohort.layout, seed, i, own) for i in range(2)])
            for w, own in zip(cohort.W, support, strict=True)
        ]
    )


def _support(matrix: CurvatureMatrix) -> Tensor:
    """Return the weights that the matrix is about and the networks' own masks leave, ``(K, D)``."""
    subject, support = matrix.subject, matrix.operator.support
    found = torch.ones_like(subject.cohort.W, dtype=torch.bool)
    for row, own in enumerate(found):
        subject.cohort.layout.write(own, subject.origin(row).masks or {})
    return found if support is None else found & support


def _moved(matrix: CurvatureMatrix, row: int, path: TrainingPath, support: Tensor) -> Tensor:
    """Return the weights along a network's training less its own, within a support, ``(T, D)``."""
    cohort = matrix.subject.cohort
    moved = cohort.W.new_zeros(len(path.weights), cohort.layout.size)
    for there, weights in zip(moved, path.weights, strict=True):
        cohort.layout.write(there, {name: weights[name] for name in cohort.layout.names})
    return (moved - cohort.W[row]).masked_fill_(~support, 0)
