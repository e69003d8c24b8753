"""The targets of a study on the page: tables, and the share of seeds that have reached each."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Line, finite, log_ticks
from thalweg.report.formats import number
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key_columns
from thalweg.report.targets import (
    SCHEMA,
    ArmReach,
    TargetReach,
    cost_text,
    target_frame,
    target_name,
    unit_name,
)
from thalweg.store.slug import slug

LEAD = (
    "What the runs of each arm's selected point had spent at their first evaluation that reached "
    "the target: median over seeds with its 95 % bootstrap interval. A run that never reached it "
    "counts as dearer than all that did, whether it diverged or not; where that is half of the "
    "seeds or more, “>” stands before what the median exceeds."
)

_HEADINGS = {
    "epochs": "epochs",
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
    """Return one chart a target and panel that some run reached."""
    return [_chart(member) for member in found if any(arm.reached for arm in member.arms)]


def target_tables(found: Sequence[TargetReach]) -> list[Table]:
    """Return one table a target, and one of all comparisons of two arms."""
    targets = dict.fromkeys((member.metric, member.target) for member in found)
    tables = [_table([m for m in found if (m.metric, m.target) == target]) for target in targets]
    comparisons = _comparisons(found)
    return [*tables, *([comparisons] if comparisons.rows else [])]


def _table(members: Sequence[TargetReach]) -> Table:
    first = members[0]
    records = target_frame(members).to_dicts()
    columns = [
        *key_columns(),
        Column("selected point", _point_text, numeric=False),
        Column("reached", lambda row: f"{row['reached']} of {row['seeds']}"),
        *(_cost_column(unit, heading) for unit, heading in _HEADINGS.items()),
    ]
    return build_table(
        slug("reach", first.metric, f"{first.target:g}"),
        f"Cost to reach {first.name}",
        " ".join(f"{member.panel.title}: {member.verdict()}" for member in members),
        records,
        SCHEMA,
        columns,
    )


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


def _chart(member: TargetReach) -> Chart:
    unit = member.unit
    costs = finite(value for arm in member.arms for value in arm.reach.spent[unit])
    positive = [value for value in costs if value > 0]
    low, high = min(positive, default=1.0), max(costs, default=1.0)
    log = high > 30 * low
    start = low / 2 if log else 0.0
    end = 1.04 * high
    words = "; ".join(
        f"{arm.arm.name}: {arm.reached} of {arm.seeds}" for arm in member.arms if arm.seeds
    )
    return Chart(
        name=slug(
            "reach", member.panel.task, member.panel.model, member.metric, f"{member.target:g}"
        ),
        title=f"Seeds that reached {member.name}: {member.panel.title}",
        description=f"Share of seeds that have reached {member.name} against "
        f"{unit_name(unit)} on {member.panel.title}. Reached in the end: {words}.",
        caption="",
        x=Axis(
            unit_name(unit)[0].upper() + unit_name(unit)[1:],
            log,
            (start, end),
            log_ticks((start, end)) if log else None,
        ),
        y=Axis("Share of seeds (%)", limits=(-3.0, 103.0)),
        layers=tuple(
            _steps(arm, unit, start, end) for arm in member.arms if finite(arm.reach.spent[unit])
        ),
    )


def _steps(arm: ArmReach, unit: str, start: float, end: float) -> Line:
    """The empirical distribution of the cost, drawn as far as it is known."""
    spent = arm.reach.spent[unit]
    costs, counts = np.unique(spent[arm.reach.reached], return_counts=True)
    x, y = [start], [0.0]
    for cost, share in zip(costs, 100 * counts.cumsum() / arm.seeds, strict=True):
        x += [max(float(cost), start)] * 2
        y += [y[-1], float(share)]
    x.append(end if arm.reached == arm.seeds else max(finite(spent)))
    y.append(y[-1])
    nothing = [None] * len(x)
    return Line(arm.arm.name, arm_style(arm.arm), x, y, nothing, nothing)
