"""The targets of a study on the page: tables and charts."""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from thalweg.report.charts import Chart
from thalweg.report.cost_profiles import cost_profile_chart
from thalweg.report.formats import number
from thalweg.report.reach_curves import reach_chart
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key_columns
from thalweg.report.targets import (
    SCHEMA,
    TargetReach,
    cost_text,
    stated_name,
    stated_text,
    target_frame,
    target_name,
    unit_name,
)
from thalweg.store.slug import slug

LEAD = (
    "What the runs of each arm's selected point had spent at their first evaluation that reached "
    "the target, of those pruned by rounds in all their rounds: median over seeds with its 95 % "
    "bootstrap interval. A run that never reached it "
    "counts as dearer than all that did, whether it diverged or not; where that is half of the "
    "seeds or more, “>” stands before what the median exceeds. The lines are Kaplan–Meier curves, "
    "which know of a run that stopped early only that it had not reached the target by then, with "
    "the 95 % band of each cost by itself."
)

_HEADINGS = {
    "epochs": "epochs",
    "steps": "steps",
    "gradient_evaluations": "gradient evaluations",
    "flops": "FLOPs",
    "seconds": "time",
}

_COMPARISON_SCHEMA = {
    **{name: kind for name, kind in KEY_SCHEMA.items() if name != "arm"},
    "metric": pl.String,
    "target": pl.Float64,
    "unit": pl.String,
    "first": pl.String,
    "second": pl.String,
    "difference": pl.Float64,
    "pairs": pl.Int64,
    "advantage": pl.Float64,
    "p": pl.Float64,
    "p_adjusted": pl.Float64,
    "resolved": pl.Boolean,
}


def target_charts(found: Sequence[TargetReach]) -> list[Chart]:
    """Return one chart a target and panel that some run reached, and the profile of the arms that
    have several such targets in common.
    """
    reached = [member for member in found if any(arm.reached for arm in member.arms)]
    profile = cost_profile_chart(reached)
    return [*map(reach_chart, reached), *([profile] if profile else [])]


def target_tables(found: Sequence[TargetReach]) -> list[Table]:
    """Return one table a target, and one of all comparisons of two arms."""
    targets = dict.fromkeys((member.metric, member.stated) for member in found)
    tables = [_table([m for m in found if (m.metric, m.stated) == target]) for target in targets]
    comparisons = _comparisons(found)
    return [*tables, *([comparisons] if comparisons.rows else [])]


def _table(members: Sequence[TargetReach]) -> Table:
    first = members[0]
    records = target_frame(members).to_dicts()
    columns = [
        *key_columns(),
        Column("selected point", _point_text, numeric=False),
        Column("reached", _reached_text),
        *(_cost_column(unit, heading) for unit, heading in _HEADINGS.items()),
    ]
    return build_table(
        slug("reach", first.metric, stated_text(first.stated)),
        f"Cost to reach {stated_name(first.metric, first.stated)}",
        " ".join(f"{member.panel.title}: {member.verdict()}" for member in members),
        records,
        SCHEMA,
        columns,
    )


def _reached_text(row: dict[str, Any]) -> str:
    lost = f", {row['diverged']} diverged" if row["diverged"] else ""
    return f"{row['reached']} of {row['seeds']}{lost}"


def _point_text(row: dict[str, Any]) -> str:
    return "none" if row["point"] is None else row["point"] or "—"


def _cost_column(unit: str, heading: str) -> Column:
    def text(row: dict[str, Any]) -> str:
        middle, low, high, bound = (
            row[f"{unit}_{figure}"] for figure in ("median", "low", "high", "at_least")
        )
        if middle is None:
            if bound is None:
                return "—"
            return "never" if math.isinf(bound) else f"> {cost_text(unit, bound)}"
        if low is None:
            return cost_text(unit, middle)
        return _interval_text(*(cost_text(unit, value) for value in (middle, low, high)))

    return Column(heading, text)


def _interval_text(middle: str, low: str, high: str) -> str:
    """A value with its interval, a suffix that all share but once."""
    parts = [text.split(" ") for text in (middle, low, high)]
    if all(len(part) == 2 and part[1] == parts[0][1] for part in parts):
        (middle, suffix), (low, _), (high, _) = parts
        return f"{middle} [{low}, {high}] {suffix}"
    return f"{middle} [{low}, {high}]"


def _comparisons(found: Sequence[TargetReach]) -> Table:
    records = [
        {
            "task": member.panel.task,
            "model": member.panel.model,
            "metric": member.metric,
            "target": member.target,
            "unit": member.unit,
            **{name: getattr(comparison, name) for name in list(_COMPARISON_SCHEMA)[5:]},
        }
        for member in found
        for comparison in member.comparisons
    ]
    columns = [
        *(column for column in key_columns() if column.heading != "arm"),
        Column("target", lambda row: target_name(row["metric"], row["target"]), numeric=False),
        Column("arm", lambda row: row["first"], numeric=False),
        Column("less arm", lambda row: row["second"], numeric=False),
        Column("median paired difference", _difference_text),
        Column("pairs", lambda row: str(row["pairs"])),
        Column("p", lambda row: number(row["p"], 2)),
        Column("p, adjusted", lambda row: number(row["p_adjusted"], 2)),
        Column("verdict", lambda row: "resolved" if row["resolved"] else "not resolved", False),
    ]
    return build_table(
        "reach-comparisons",
        "Comparisons of two arms",
        "The difference is the median over the common seeds of which both arms reached the target. "
        "p is of a permutation test of Gehan's ranks, in which a run that never reached the target "
        "is dearer than any that did at no greater cost; adjusted by Holm's method for all pairs "
        "of arms at the same target, and resolved from 0.05 down.",
        records,
        _COMPARISON_SCHEMA,
        columns,
    )


def _difference_text(row: dict[str, Any]) -> str:
    value, unit = row["difference"], row["unit"]
    if value is None:
        return "—"
    sign = "−" if value < 0 else "+" if value > 0 else ""
    return f"{sign}{cost_text(unit, abs(value))} {unit_name(unit)}"
