"""Choices that most views have: the task and model, arms, and seeds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from statistics import fmean

import polars as pl

from thalweg.store import Store
from thalweg.store.results import StudyResults
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Arm, Panel, Point, Run, panels
from thalweg.ui.content import Asked, Choice, Content
from thalweg.ui.views.asking import one, several

MOST_ARMS = 12
"""Arms that are shown if none are asked for: more lines cannot be told apart."""


NOTHING = "No run of this study has ended yet, so there is nothing to show."

ENDED = pl.col("status") != "missing"
"""Of which runs something is known but what was asked for."""

Show = Callable[[StudyResults, Store, Asked], Content]


def begun(show: Show) -> Show:
    """Return a view that says so where no run has ended yet."""

    @wraps(show)
    def checked(results: StudyResults, store: Store, asked: Asked) -> Content:
        if results.runs.filter(ENDED).is_empty():
            return Content("", sentences=(NOTHING,))
        return show(results, store, asked)

    return checked


def known_panels(results: StudyResults) -> list[Panel]:
    """Return the study's panels, without one of runs of which nothing is known because they have
    not begun.
    """
    return [panel for panel in panels(results) if _any_begun(panel)]


def choose_panel(
    asked: Asked, grouped: Sequence[Panel], able: Callable[[Panel], bool] = lambda _: True
) -> tuple[Panel, Choice]:
    """Return the panel asked for, of those that have what a view shows; of all if none has.

    Raises:
        InputError: There is no such panel.
    """
    named = {panel.title: panel for panel in grouped if able(panel)}
    named = named or {panel.title: panel for panel in grouped}
    every = [panel.title for panel in grouped]
    options = {title: title for title in named}
    choice = one(asked, "panel", "Task and model", options, elsewhere=every)
    return named[choice.chosen[0]], choice


def choose_arms(
    asked: Asked,
    grouped: Sequence[Panel],
    panel: Panel,
    able: Callable[[Arm], bool] = lambda _: True,
    most: int = MOST_ARMS,
) -> tuple[Panel, Choice]:
    """Return the panel with the arms asked for alone, of those that have what a view shows, or of
    all if none has. If none are asked for, it has all of them, or where they are more than ``most``
    the best by the metric that selects points.

    Raises:
        InputError: There is no such arm in the study.
    """
    arms = [arm for arm in panel.arms if able(arm)] or list(panel.arms)
    default = [arm.name for arm in sorted(arms, key=lambda arm: rank(panel, arm.selected))[:most]]
    options = {arm.name: arm.name for arm in arms}
    choice = several(asked, "arm", "Arms", options, default, elsewhere=_names(grouped))
    return with_arms(panel, choice.chosen), choice


def choose_arm(
    asked: Asked,
    grouped: Sequence[Panel],
    panel: Panel,
    able: Callable[[Arm], bool] = lambda _: True,
    key: str = "arm",
    label: str = "Arm",
) -> tuple[Arm, Choice]:
    """Return the arm asked for, of those that have what a view shows; of all if none has.

    Raises:
        InputError: There is no such arm in the study.
    """
    arms = [arm for arm in panel.arms if able(arm)] or list(panel.arms)
    named = {arm.name: arm for arm in arms}
    options = {name: name for name in named}
    choice = one(asked, key, label, options, elsewhere=_names(grouped))
    return named[choice.chosen[0]], choice


def choose_seed(asked: Asked, results: StudyResults, seeds: Sequence[int]) -> tuple[int, Choice]:
    """Return the seed asked for; by default the first of those that have what a view shows.

    Raises:
        InputError: The study has no such seed.
    """
    every = [str(seed) for seed in results.runs["seed"].unique().sort()]
    options = {str(seed): str(seed) for seed in seeds} or dict.fromkeys(every[:1], every[0])
    choice = one(asked, "seed", "Seed", options, elsewhere=every)
    return int(choice.chosen[0]), choice


def selected_seeds(panel: Panel, able: Callable[[Run], bool] = lambda _: True) -> list[int]:
    """Return the seeds of runs at the arms' selected points that have what a view shows."""
    points = [arm.selected for arm in panel.arms if arm.selected is not None]
    return sorted({run["seed"] for point in points for run in point.runs if able(run)})


def with_arms(panel: Panel, names: Sequence[str]) -> Panel:
    """Return the panel with some arms alone, each with its look in the whole study."""
    return replace(panel, arms=tuple(arm for arm in panel.arms if arm.name in names))


def with_seeds(panel: Panel, seeds: Sequence[int]) -> Panel:
    """Return the panel with the runs of some seeds alone at its arms' selected points."""
    return replace(panel, arms=tuple(_with_seeds(arm, seeds) for arm in panel.arms))


def shown_arms(asked: Asked, choice: Choice) -> tuple[str, ...]:
    """Return a sentence where nobody chose the arms and not all are shown, or none."""
    shown, every = len(choice.chosen), len(choice.options)
    if shown == every or asked.get(choice.key):
        return ()
    return (f"The best {shown} of {every} arms are shown.",)


def _with_seeds(arm: Arm, seeds: Sequence[int]) -> Arm:
    if arm.selected is None:
        return arm
    runs = tuple(run for run in arm.selected.runs if run["seed"] in seeds)
    return replace(arm, selected=replace(arm.selected, runs=runs))


def rank(panel: Panel, point: Point | None) -> float:
    """Return what is the less the better the runs of a point are; infinite where one diverged, or
    none has ended.
    """
    values = [] if point is None else point.values(panel.metric)
    if not values or not all(map(math.isfinite, values)):
        return math.inf
    return -fmean(values) if is_accuracy(panel.metric) else fmean(values)


def _any_begun(panel: Panel) -> bool:
    runs = (run for arm in panel.arms for point in arm.points for run in point.runs)
    return any(run["task"] is not None or run["status"] != "missing" for run in runs)


def _names(grouped: Sequence[Panel]) -> set[str]:
    return {arm.name for panel in grouped for arm in panel.arms}
