"""What it costs the arms to reach a target, with the runs that never do."""

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
from thalweg.study.target_options import MEDIAN, Targets, median_arm
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


def reach_target(
    results: StudyResults, names: Sequence[str], metric: str | None, target: float | str
) -> tuple[list[str], list[ArmCost]]:
    """Return the verdict for each task and model, and what the target costs each arm.

    Args:
        results: The study's results.
        names: Arms; all if none are named.
        metric: As for `compare_arms`.
        target: A figure, or the name of an arm whose median run sets it. The other arms are then
            compared fairly, that one against itself is not.

    Raises:
        InputError: The target is neither, or the arm's median run has no figure.
    """
    grouped = panels(results)
    metric = known_metric(results, grouped, metric)
    stated = f"{MEDIAN}{target.removeprefix(MEDIAN)}" if isinstance(target, str) else target
    validate(Targets, {metric: stated}, "--target")
    arms = dict.fromkeys(arm.name for panel in grouped for arm in panel.arms)
    if median_arm(stated) not in ("", *arms):
        raise InputError(f"--target: {unknown('arm', median_arm(stated), arms)}, or give a figure")
    kept = [
        replace(panel, arms=tuple(arm for arm in panel.arms if not names or arm.name in names))
        for panel in grouped
    ]
    found = target_reaches(replace(results, targets={metric: [stated]}), kept, grouped)
    if not found:
        raise InputError(f"--target {target!r}: its median run has no {metric}; give a figure")
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
