"""What it costs the arms of a study to reach its targets: figures and verdicts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from thalweg.report.formats import count, duration, metric_name, number, plural
from thalweg.report.table import KEY_SCHEMA, key
from thalweg.store.results import StudyResults
from thalweg.study.earlier_rounds import EarlierCosts, earlier_costs
from thalweg.study.median_target import target_figure
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Arm, Panel, Run, panels
from thalweg.study.target_options import Target, median_arm
from thalweg.study.targets import (
    UNITS,
    Comparison,
    CostToReach,
    Reach,
    compare,
    cost_to_reach,
    reach,
    seeds_needed,
)

SCHEMA = {
    **KEY_SCHEMA,
    "point": pl.String,
    "metric": pl.String,
    "target": pl.Float64,
    "median_of": pl.String,
    "seeds": pl.Int64,
    "reached": pl.Int64,
    "diverged": pl.Int64,
    **{
        f"{unit}_{figure}": pl.Float64
        for unit in UNITS
        for figure in ("median", "low", "high", "at_least")
    },
}
"""Columns of the frame of targets, one row a panel, target and arm, at the arm's selected point.

``median_of`` is the arm whose median run sets the target, null where it was given.
``reached`` of ``seeds`` runs reached the target; ``diverged`` runs count as never reaching it. An
arm of which every run diverged has no selected point; its first stands for it. The figures by unit
are those of `thalweg.study.targets.CostToReach`.
"""


@dataclass(frozen=True)
class ArmReach:
    """The selected point of an arm against a target, its costs by unit; the first of its points
    where all diverged.
    """

    arm: Arm
    reach: Reach
    costs: dict[str, CostToReach]

    @property
    def reached(self) -> int:
        return int(self.reach.reached.sum())

    @property
    def seeds(self) -> int:
        return len(self.reach.seeds)


@dataclass(frozen=True)
class TargetReach:
    """The arms of a panel against one target.

    Attributes:
        panel: The panel.
        metric: A column of the ``metrics`` frame.
        target: The figure to reach.
        stated: The same as the study states it, ``median:ARM`` where an arm sets it.
        arms: In the order of the panel.
        unit: The unit in which the arms are compared, see `comparison_unit`.
        comparisons: All pairs of arms of which a run reached the target.
    """

    panel: Panel
    metric: str
    target: float
    stated: Target
    arms: tuple[ArmReach, ...]
    unit: str
    comparisons: tuple[Comparison, ...]

    @property
    def name(self) -> str:
        named = target_name(self.metric, self.target)
        return f"{named} (the median of {self.median_of})" if self.median_of else named

    @property
    def median_of(self) -> str:
        return median_arm(self.stated)

    @property
    def cheapest(self) -> ArmReach | None:
        """The arm with the lowest median; None where no arm has one."""
        able = [
            (median, index)
            for index, member in enumerate(self.arms)
            if (median := member.costs[self.unit].median) is not None
        ]
        return self.arms[min(able)[1]] if able else None

    def verdict(self) -> str:
        """Which arm is the cheapest, and against which others that is resolved, in sentences."""
        best = self.cheapest
        if best is None:
            return f"no arm reaches {self.name} with more than half of its seeds."
        found = (
            f"{best.arm.name} reaches {self.name} at the lowest cost, "
            f"{cost_text(self.unit, best.costs[self.unit].median)} {unit_name(self.unit)} (median; "
            f"{best.reached} of {plural(best.seeds, 'seed')})"
        )
        mine = [c for c in self.comparisons if best.arm.name in (c.first, c.second)]
        won, open_ = (
            [
                c.second if c.first == best.arm.name else c.first
                for c in mine
                if c.resolved is wanted
            ]
            for wanted in (True, False)
        )
        if won:
            found += f"; resolved against {', '.join(won)}"
        if open_:
            found += f"; not resolved at {plural(best.seeds, 'seed')} against {', '.join(open_)}"
        needed = seeds_needed(len(self.comparisons))
        if open_ and best.seeds < needed:
            many = plural(len(self.comparisons), "comparison")
            found += f" ({many} take at least {needed} seeds)"
        return f"{found}."


def target_reaches(
    results: StudyResults, grouped: Sequence[Panel], every: Sequence[Panel] = ()
) -> list[TargetReach]:
    """Return every target of the study in every panel that has its metric and, where an arm sets
    it, that arm's median.

    Args:
        results: The study's results.
        grouped: The panels.
        every: All panels with all arms, where `grouped` are some.
    """
    earlier = earlier_costs(results)
    return [
        _target_reach(results, earlier, panel, metric, figure, target)
        for metric, targets in results.targets.items()
        for target in targets
        for panel in grouped
        if metric in panel.metrics
        if (figure := target_figure(target, metric, panel, every or grouped)) is not None
    ]


def target_frame(found: Sequence[TargetReach]) -> pl.DataFrame:
    """Return the frame of targets, see `SCHEMA`."""
    records = [
        {
            **key(member.panel, arm.arm),
            "point": arm.arm.selected.label if arm.arm.selected else None,
            "metric": member.metric,
            "target": member.target,
            "median_of": member.median_of or None,
            "seeds": arm.seeds,
            "reached": arm.reached,
            "diverged": int(np.isinf(arm.reach.spent["epochs"]).sum()),
            **{
                f"{unit}_{figure}": value
                for unit, cost in arm.costs.items()
                for figure, value in asdict(cost).items()
            },
        }
        for member in found
        for arm in member.arms
    ]
    return pl.DataFrame(records, schema=SCHEMA)


def target_records(results: StudyResults) -> list[dict[str, Any]]:
    """Return every target with its arms and their comparisons as plain values."""
    return [
        {
            "task": member.panel.task,
            "model": member.panel.model,
            "metric": member.metric,
            "target": member.target,
            "median_of": member.median_of or None,
            "arms": [
                {
                    "arm": arm.arm.name,
                    "point": arm.arm.selected.label if arm.arm.selected else None,
                    "seeds": arm.seeds,
                    "reached": arm.reached,
                    "costs": {unit: asdict(cost) for unit, cost in arm.costs.items()},
                }
                for arm in member.arms
            ],
            "compared_by": member.unit,
            "comparisons": [asdict(comparison) for comparison in member.comparisons],
        }
        for member in target_reaches(results, panels(results))
    ]


def comparison_unit(reaches: Sequence[Reach], runs: Sequence[Run]) -> str:
    """Return the unit in which runs can be compared.

    Gradient evaluations, if all are of batches of one size and are all that was asked for; else
    floating-point operations, which count examples, losses and products too; epochs, where these
    were not recorded.
    """
    sizes = {run["batch_size"] for run in runs}
    alike = len(sizes) == 1 and not any(run["loss_evaluations"] or run["products"] for run in runs)
    unit = "gradient_evaluations" if alike else "flops"
    recorded = not any(np.isnan(reach.spent[unit]).any() for reach in reaches)
    return unit if recorded else "epochs"


def target_name(metric: str, target: float) -> str:
    """Return ``85 % test accuracy`` or ``a test loss of 0.3``."""
    if is_accuracy(metric):
        return f"{100 * target:.6g}\N{NO-BREAK SPACE}% {metric_name(metric)}"
    return f"a {metric_name(metric)} of {target:.6g}"


def stated_name(metric: str, stated: Target) -> str:
    """Return a target as the study states it: ``85 % test accuracy``, or ``the median test accuracy
    of gd``, which is another figure in every panel.
    """
    if isinstance(stated, str):
        return f"the median {metric_name(metric)} of {median_arm(stated)}"
    return target_name(metric, stated)


def stated_text(stated: Target) -> str:
    """Return a target as a part of a file's name."""
    return stated if isinstance(stated, str) else f"{stated:g}"


def unit_name(unit: str) -> str:
    """Return the name of a unit of cost in a sentence."""
    return "FLOPs" if unit == "flops" else unit.replace("_", " ")


def cost_text(unit: str, value: float | None) -> str:
    """Return a cost as people write it; its unit stands elsewhere."""
    if unit == "seconds":
        return duration(value)
    return number(value) if unit == "epochs" else count(value)


def _target_reach(
    results: StudyResults,
    earlier: EarlierCosts,
    panel: Panel,
    metric: str,
    target: float,
    stated: Target,
) -> TargetReach:
    arms = []
    runs: list[Run] = []
    for arm in panel.arms:
        point = arm.selected or next((point for point in arm.points if point.seeds), None)
        found = reach(point.runs if point else (), results.metrics, metric, target, earlier)
        costs = {unit: cost_to_reach(spent, found.reached) for unit, spent in found.spent.items()}
        arms.append(ArmReach(arm, found, costs))
        runs += point.runs if point else ()
    unit = comparison_unit([member.reach for member in arms], runs)
    compared = compare({member.arm.name: member.reach for member in arms}, unit)
    return TargetReach(panel, metric, target, stated, tuple(arms), unit, tuple(compared))
