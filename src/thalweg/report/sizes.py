"""Final figures against the number of parameters, where networks of several sizes are compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Line, Style, log_ticks, padded
from thalweg.report.families import ANY, family
from thalweg.report.formats import axis_title, count, metric_interval, metric_name
from thalweg.report.metric_axis import focused, ordinates
from thalweg.report.metric_columns import metric_columns, metric_figures, metric_schema
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key_columns
from thalweg.store.slug import slug
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Panel, Point, matrix
from thalweg.study.statistics import best_point, mean_interval

LEAD = (
    "Final figures against the number of parameters: mean over seeds with the 95 % Student t band, "
    "at each size at the point that the selection metric chooses."
)

CHARTED = ("test_accuracy", "test_loss", "train_loss")

TABULATED = (*CHARTED[:2], "validation_accuracy", "validation_loss", "train_accuracy", "train_loss")

FEWEST = 3
"""Sizes that make a line."""


@dataclass(frozen=True)
class Sizes:
    """Networks of an arm, or of arms that differ in one key, by size.

    Attributes:
        panel: The panel.
        name: Of the arm, or what the names of the arms have in common.
        style: Look of it.
        points: By number of parameters, which rises.
    """

    panel: Panel
    name: str
    style: Style
    points: dict[int, Point]


def sizes(panel: Panel) -> list[Sizes]:
    """Return what has enough sizes."""
    found: dict[str, list[Point]] = {}
    styles: dict[str, Style] = {}
    for arm in panel.arms:
        name = family(arm.name, ANY)
        found.setdefault(name, []).extend(arm.points)
        styles.setdefault(name, arm_style(arm))
    members = [
        Sizes(panel, name, styles[name], _by_size(points, panel.metric))
        for name, points in found.items()
    ]
    return [member for member in members if len(member.points) >= FEWEST]


def size_charts(panel: Panel) -> list[Chart]:
    """Return one chart a metric; none where no arm has networks of several sizes."""
    members = sizes(panel)
    return [
        _chart(panel, metric, members) for metric in CHARTED if members and metric in panel.metrics
    ]


def size_tables(panels: Sequence[Panel]) -> list[Table]:
    """Return the table of figures by size, if it has a row."""
    members = [member for panel in panels for member in sizes(panel)]
    known = [m for m in TABULATED if any(m in member.panel.metrics for member in members)]
    records = [
        {
            "task": member.panel.task,
            "model": member.panel.model,
            "arm": member.name,
            "parameters": parameters,
            "seeds": len(point.seeds),
            **metric_figures(known, point.values),
            "diverged": point.count("diverged"),
        }
        for member in members
        for parameters, point in member.points.items()
    ]
    columns = [
        *key_columns(),
        Column("parameters", lambda row: f"{row['parameters']:,}"),
        Column("seeds", lambda row: str(row["seeds"])),
        *metric_columns(known),
        Column("diverged", lambda row: str(row["diverged"])),
    ]
    schema = {
        **KEY_SCHEMA,
        **dict.fromkeys(("parameters", "seeds"), pl.Int64),
        **metric_schema(known),
        "diverged": pl.Int64,
    }
    note = "Means over seeds ± half the 95 % Student t interval."
    table = build_table("sizes", "By number of parameters", note, records, schema, columns)
    return [table] if records else []


def _by_size(points: Sequence[Point], metric: str) -> dict[int, Point]:
    """Return the best point of each size."""
    found: dict[int, list[Point]] = {}
    for point in points:
        known = {run["parameters"] for run in point.runs} - {None}
        if len(known) == 1:
            found.setdefault(known.pop(), []).append(point)
    best = {
        size: members[best_point(matrix(members, metric), is_accuracy(metric)) or 0]
        for size, members in found.items()
    }
    return dict(sorted(best.items()))


def _chart(panel: Panel, metric: str, members: Sequence[Sizes]) -> Chart:
    lines = [_line(metric, member) for member in members]
    x = padded([size for member in members for size in member.points], True)
    words = "; ".join(_ends(metric, member) for member in members)
    y, layers, aside = focused(metric, lines)
    return Chart(
        name=slug("sizes", panel.task, panel.model, metric),
        title=f"{metric_name(metric).capitalize()} against the number of parameters: {panel.title}",
        description=f"{axis_title(metric)} against the number of parameters on {panel.title}. "
        f"{words}.",
        caption=aside,
        x=Axis("Parameters", True, x, log_ticks(x)),
        y=y,
        layers=layers,
    )


def _line(metric: str, member: Sizes) -> Line:
    figures = [
        ordinates(metric, mean_interval(values))
        if (values := point.values(metric))
        else (None,) * 3
        for point in member.points.values()
    ]
    mean, low, high = zip(*figures, strict=True)
    return Line(member.name, member.style, [*map(float, member.points)], mean, low, high, True)


def _ends(metric: str, member: Sizes) -> str:
    size, point = list(member.points.items())[-1]
    values = point.values(metric)
    interval = mean_interval(values) if values else None
    figure = metric_interval(metric, interval.mean, interval.half_width) if interval else "—"
    return f"{member.name} {figure} with {count(size)} parameters"
