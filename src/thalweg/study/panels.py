"""The runs of a study by panel (task and model), arm and grid point, with the points chosen."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.store.results import RUNS, StudyResults
from thalweg.store.run_directory import COMPLETE
from thalweg.study.metrics import is_accuracy
from thalweg.study.statistics import best_point

Run = dict[str, Any]


def seed_value(run: Run, metric: str) -> float:
    """Return a run's figure: the worst there is if it diverged, NaN if it has none."""
    worst = -math.inf if is_accuracy(metric) else math.inf
    if run["status"] == "diverged":
        return worst
    if run["status"] != "done" or run[metric] is None:
        return math.nan
    value = float(run[metric])
    return value if math.isfinite(value) else worst


@dataclass(frozen=True)
class Point:
    """A grid point of an arm: its runs, one a seed."""

    label: str
    axes: dict[str, Any]
    runs: tuple[Run, ...]

    def values(self, metric: str) -> list[float]:
        """Figures of the runs that have one, diverged runs included as the worst."""
        return [v for v in (seed_value(run, metric) for run in self.runs) if not math.isnan(v)]

    def count(self, status: str) -> int:
        return sum(run["status"] == status for run in self.runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the runs that came to an end, in figures or in divergence."""
        return tuple(run["seed"] for run in self.runs if run["status"] in COMPLETE)


@dataclass(frozen=True)
class Arm:
    """An arm in one panel.

    ``number`` counts the arms of the study from 0 on, the same in all panels. ``selected`` is the
    best point by the panel's metric, None where every run diverged or has no result.
    """

    name: str
    number: int
    optimizer: str
    points: tuple[Point, ...]
    selected: Point | None

    def count(self, status: str) -> int:
        return sum(point.count(status) for point in self.points)


@dataclass(frozen=True)
class Panel:
    """The arms that share a task and a model, comparable with each other.

    ``metric`` is the one by which points are selected here; ``metrics`` are those that some run
    has; ``searched`` tells that the points were drawn and are no grid.
    """

    task: str
    model: str
    metric: str
    metrics: frozenset[str]
    arms: tuple[Arm, ...]
    searched: bool

    @property
    def title(self) -> str:
        return f"{self.task}, {self.model}"

    @property
    def best(self) -> Arm | None:
        """The arm whose selected point is best; None where no arm has one."""
        able = [(arm, arm.selected) for arm in self.arms if arm.selected is not None]
        if not able:
            return None
        index = best_point(
            matrix([point for _, point in able], self.metric), is_accuracy(self.metric)
        )
        return None if index is None else able[index][0]


def matrix(points: Iterable[Point], metric: str) -> NDArray[np.float64]:
    """Return points × seeds; see `seed_value`. A column is the same seed at every point."""
    points = list(points)
    seeds = sorted({run["seed"] for point in points for run in point.runs})
    rows = []
    for point in points:
        by_seed = {run["seed"]: seed_value(run, metric) for run in point.runs}
        rows.append([by_seed.get(seed, math.nan) for seed in seeds])
    return np.array(rows)


def panels(results: StudyResults) -> list[Panel]:
    """Group the runs and choose each arm's point in each panel by the selection metric."""
    search = results.provenance.get("search") or {}
    searched = search.get("method", "grid") != "grid"
    runs = results.runs.to_dicts()
    names = dict.fromkeys(run["arm"] for run in runs)
    numbers = {name: number for number, name in enumerate(names)}
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run["task"], run["model"]), []).append(run)
    return [
        _panel(task, model, members, results.selection, numbers, searched)
        for (task, model), members in grouped.items()
    ]


def selected_runs(results: StudyResults) -> set[str]:
    """Return the runs at the grid points that the arms' results select."""
    arms = (arm for panel in panels(results) for arm in panel.arms)
    points = [arm.selected for arm in arms if arm.selected is not None]
    return {run["run"] for point in points for run in point.runs}


def _panel(
    task: str,
    model: str,
    runs: list[Run],
    selection: str,
    numbers: dict[str, int],
    searched: bool,
) -> Panel:
    metrics = frozenset(
        name
        for name in RUNS
        if name.endswith(("_loss", "_accuracy")) and any(run[name] is not None for run in runs)
    )
    metric = _selection_metric(metrics, selection)
    by_arm: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        by_arm.setdefault(run["arm"], {}).setdefault(run["point"], []).append(run)
    arms = []
    for name, by_point in by_arm.items():
        points = tuple(
            Point(label, _axes(members[0]), tuple(sorted(members, key=lambda run: run["seed"])))
            for label, members in by_point.items()
        )
        index = best_point(matrix(points, metric), is_accuracy(metric))
        optimizers = dict.fromkeys(run["optimizer"] for p in points for run in p.runs)
        arms.append(
            Arm(
                name,
                numbers[name],
                ", ".join(o for o in optimizers if o),
                points,
                None if index is None else points[index],
            )
        )
    return Panel(task, model, metric, metrics, tuple(arms), searched)


def _selection_metric(known: frozenset[str], selection: str) -> str:
    """The asked metric, or the nearest that is known: validation before test, always."""
    kind = selection.partition("_")[2]
    other = "loss" if kind == "accuracy" else "accuracy"
    order = [f"{split}_{k}" for split in ("validation", "test") for k in (kind, other)]
    return next((metric for metric in order if metric in known), selection)


def _axes(run: Run) -> dict[str, Any]:
    return dict(json.loads(run["axes"])) if run["axes"] else {}
