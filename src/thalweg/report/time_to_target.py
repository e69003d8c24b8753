"""What it costs the arms to reach a target, with the runs that never do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from thalweg.errors import InputError
from thalweg.report.formats import number
from thalweg.report.targets import TargetReach, target_reaches
from thalweg.store.results import StudyResults
from thalweg.study.comparison import kaplan_meier
from thalweg.study.comparison.arms import known_metric
from thalweg.study.panels import panels
from thalweg.study.statistics import median
from thalweg.study.target_options import Targets
from thalweg.validation import unknown, validate

SHOWN = ("epochs", "steps", "gradient_evaluations", "seconds")
"""Units in which the cost is told."""


@dataclass(frozen=True)
class ArmCost:
    """What a target costs an arm in one unit.

    Attributes:
        task: Name of the task.
        model: Name of the model.
        arm: Name of the arm.
        unit: Key of `thalweg.study.targets.UNITS`.
        reached: Runs that reached it.
        runs: Runs in all.
        median: Kaplan–Meier median; None where fewer than half reach it.
        restricted_mean: Mean cost of reaching it or spending `until`.
        error: Its standard error.
        until: The least that a run of the arms compared has spent in all.
    """

    task: str
    model: str
    arm: str
    unit: str
    reached: int
    runs: int
    median: float | None
    restricted_mean: float
    error: float
    until: float


def target_value(results: StudyResults, metric: str | None, target: float | str) -> float:
    """Return a target: a figure, or the median of an arm's runs.

    A target that the best run sets is one that reruns miss; the median is one that half of them
    reach. Arms other than the one that sets it are compared fairly, that one against itself is not.

    Args:
        results: The study's results.
        metric: As for `compare_arms`.
        target: The figure, an accuracy in (0, 1], or the arm's name.

    Raises:
        InputError: It is neither, or the arm's median run diverged.
    """
    grouped = panels(results)
    metric = known_metric(results, grouped, metric)
    if not isinstance(target, str):
        validate(Targets, {metric: target}, "--target")
        return float(target)
    arms = {arm.name: arm for panel in grouped for arm in panel.arms}
    if target not in arms:
        raise InputError(f"--target: {unknown('arm', target, arms)}, or give a figure")
    point = arms[target].selected
    values = point.values(metric) if point else []
    found = median(values) if values else math.inf
    if not math.isfinite(found):
        raise InputError(f"--target {target!r}: its median run has no {metric}; give a figure")
    return found


def reach_target(
    results: StudyResults, names: Sequence[str], metric: str | None, target: float | str
) -> tuple[list[str], list[ArmCost]]:
    """Return the verdict for each task and model, and what the target costs each arm.

    Args:
        results: The study's results.
        names: Arms; all if none are named.
        metric: As for `compare_arms`.
        target: See `target_value`.

    Raises:
        InputError: As `target_value`.
    """
    grouped = panels(results)
    metric = known_metric(results, grouped, metric)
    value = target_value(results, metric, target)
    kept = [
        replace(panel, arms=tuple(arm for arm in panel.arms if not names or arm.name in names))
        for panel in grouped
    ]
    found = target_reaches(replace(results, targets={metric: [value]}), kept)
    verdicts = [f"{member.panel.title}: {member.verdict()}" for member in found]
    return verdicts, [cost for member in found for unit in SHOWN for cost in _costs(member, unit)]


def cost_rows(costs: Sequence[ArmCost]) -> list[dict[str, str]]:
    """Return the costs as texts, for a table."""
    return [
        {
            "arm": cost.arm,
            "unit": cost.unit.replace("_", " "),
            "reached": f"{cost.reached} of {cost.runs}",
            "median": "never" if cost.median is None else number(cost.median),
            "restricted mean": f"{number(cost.restricted_mean)} ± {number(cost.error, 2)}",
            "restricted to": number(cost.until),
        }
        for cost in costs
    ]


def _costs(member: TargetReach, unit: str) -> list[ArmCost]:
    able = [arm for arm in member.arms if arm.seeds and not np.isnan(arm.reach.spent[unit]).any()]
    points = [arm.arm.selected for arm in able if arm.arm.selected]
    spent = [run[unit] for point in points for run in point.runs if run["status"] == "done"]
    if not spent:
        return []
    until = float(min(spent))
    found = []
    for arm in able:
        survival = kaplan_meier(arm.reach.spent[unit], arm.reach.reached)
        mean, error = survival.restricted_mean(until)
        found.append(
            ArmCost(
                member.panel.task,
                member.panel.model,
                arm.arm.name,
                unit,
                arm.reached,
                arm.seeds,
                survival.median,
                mean,
                error,
                until,
            )
        )
    return found
