"""A study of this program, as it lies in the store."""

import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from thalweg.audit.read.tensors import Named
from thalweg.errors import InputError
from thalweg.spec import RunSpec
from thalweg.store import Store, StudyResults
from thalweg.store.assemble import read_results
from thalweg.store.run_directory import COMPLETE, RunDirectory
from thalweg.study import StudyPlan, build_study
from thalweg.study.statistics import best_point

Run = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """A grid point of an arm: its runs, one a seed."""

    label: str
    axes: dict[str, Any]
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the runs that came to an end, in figures or in divergence."""
        return tuple(sorted(run["seed"] for run in self.runs if run["status"] in COMPLETE))


@dataclass(frozen=True)
class Panel:
    """The arms that share a task and a model, comparable with each other.

    Attributes:
        title: Task and model.
        metric: By which grid points are chosen here.
        arms: Grid points by arm.
    """

    title: str
    metric: str
    arms: dict[str, tuple[Point, ...]]

    @property
    def higher_is_better(self) -> bool:
        return self.metric.endswith("accuracy")

    def selected(self, arm: str) -> Point | None:
        """Return the best point of an arm; None where it has no finite result."""
        points = self.arms[arm]
        best = best_point(matrix(points, self.metric), self.higher_is_better)
        return None if best is None else points[best]


@dataclass(frozen=True)
class RecordedStudy:
    """Results with the files they were made from.

    Attributes:
        store: Where they lie.
        results: All frames of the study.
    """

    store: Store
    results: StudyResults

    @classmethod
    def read(cls, store: Store, name: str) -> "RecordedStudy":
        """Read a study.

        Raises:
            InputError: The store holds no such study.
        """
        return cls(store, read_results(store, name))

    @cached_property
    def complete(self) -> list[Run]:
        """The runs of the arms that came to an end, each once."""
        runs = {run["run"]: run for run in self.results.runs.to_dicts()}
        return [run for run in runs.values() if run["status"] in COMPLETE]

    @cached_property
    def sparse(self) -> dict[str, str]:
        """The runs that ended with a mask, those of earlier rounds of pruning among them; each with
        the name of its arm.
        """
        rows = [*self.results.rounds.to_dicts(), *self.results.runs.to_dicts()]
        done = {row["run"]: row["arm"] for row in rows if row["status"] == "done"}
        return {i: arm for i, arm in done.items() if self.store.run(i).masks_path.exists()}

    def spec(self, run_id: str) -> RunSpec | None:
        """Return what was asked of a run; None if its model or optimizer is a user's own that
        cannot be imported here.
        """
        try:
            return RunSpec.parse(_without_code(self.store.run(run_id).spec()))
        except InputError:
            return None

    @cached_property
    def plan(self) -> StudyPlan | None:
        """The study as it was asked for; None where a user's own module cannot be imported here."""
        try:
            return build_study(tomllib.loads(self.results.provenance["study_file"]))
        except InputError:
            return None

    def weights(self, run_id: str) -> Named:
        """Return what a run ended with."""
        return final_weights(self.store.run(run_id))

    @cached_property
    def panels(self) -> list[Panel]:
        """The runs by task and model, arm and grid point."""
        grouped: dict[str, list[Run]] = {}
        for run in self.results.runs.to_dicts():
            grouped.setdefault(f"{run['task']}, {run['model']}", []).append(run)
        return [_panel(title, runs, self.results.selection) for title, runs in grouped.items()]


def final_weights(run: RunDirectory) -> Named:
    """Return the weights, and other tensors, that a run ended with."""
    return load_file(run.path / "final.safetensors")


def seed_value(run: Run, metric: str) -> float:
    """Return a run's figure: the worst there is if it diverged, NaN if it has none."""
    worst = -math.inf if metric.endswith("accuracy") else math.inf
    if run["status"] == "diverged":
        return worst
    if run["status"] != "done" or run[metric] is None:
        return math.nan
    return float(run[metric]) if math.isfinite(run[metric]) else worst


def matrix(points: Sequence[Point], metric: str) -> NDArray[np.float64]:
    """Return points × seeds; see `seed_value`. A column is the same seed at every point."""
    seeds = sorted({run["seed"] for point in points for run in point.runs})
    found = np.full((len(points), len(seeds)), math.nan)
    for row, point in enumerate(points):
        for run in point.runs:
            found[row, seeds.index(run["seed"])] = seed_value(run, metric)
    return found


def _panel(title: str, runs: list[Run], selection: str) -> Panel:
    known = [name for name in runs[0] if any(run[name] is not None for run in runs)]
    kind = selection.partition("_")[2]
    other = "loss" if kind == "accuracy" else "accuracy"
    order = [f"{split}_{k}" for split in ("validation", "test") for k in (kind, other)]
    metric = next((name for name in order if name in known), selection)
    arms: dict[str, dict[str, list[Run]]] = {}
    for run in runs:
        arms.setdefault(run["arm"], {}).setdefault(run["point"], []).append(run)
    points = {
        arm: tuple(
            Point(label, dict(json.loads(members[0]["axes"] or "{}")), tuple(members))
            for label, members in by_point.items()
        )
        for arm, by_point in arms.items()
    }
    return Panel(title, metric, points)


def _without_code(table: dict[str, Any]) -> dict[str, Any]:
    """Return a spec's table without the digests of a user's source files."""
    return {
        key: {k: v for k, v in value.items() if k != "code"} if isinstance(value, dict) else value
        for key, value in table.items()
    }
