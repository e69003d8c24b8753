"""What probes have seen of the runs while they trained, on the page."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Line, Style, finite, padded, value_axis
from thalweg.report.figure_table import figure_record, figure_table
from thalweg.report.formats import count, duration, number
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key, key_columns
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Arm, Panel
from thalweg.study.statistics import mean_interval

LEAD = (
    "Mean over seeds at the arm's selected point, with the 95 % Student t band; looks that lie "
    "close together are averaged first. A line ends where a run diverged."
)

CHARTED = (
    *("gradient_norm", "update_ratio", "distance", "noise_scale", "alpha", "edge", "lambda_max"),
    *("feature_sparsity_distinct", "eigenvalue 1", "gap"),
)
"""Figures that have a chart; all are in the table."""

COST = ("seconds", "gradient_evaluations")

ABOUT = ("converged", "residuals", "errors", "products", "gap_error", "ratio_error", *COST)
"""What tells about the measurement, and not about the network."""

BINS = 150
"""Places along the training at which a line has a point."""

LAST = 0.1
"""Share of the looks, the last, that the table sums up."""

EXPLODES = 10
"""A gradient explodes where its norm is so many times the median of its run."""


def dynamics_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one chart a probe and figure in `CHARTED`."""
    shown = _shown(results, panel)
    charts = []
    for probe, name in shown.select("probe", "name").unique(maintain_order=True).rows():
        if name in CHARTED:
            chart = _chart(panel, probe, name, shown.filter(probe=probe, name=name))
            charts += [chart] if chart else []
    return charts


def dynamics_tables(results: StudyResults, panels: Sequence[Panel]) -> list[Table]:
    """Return what the figures were at the end of training, and what it cost to look."""
    found = [_summary(results, panels), _cost(results, panels)]
    return [table for table in found if table.rows]


def _chart(panel: Panel, probe: str, name: str, own: pl.DataFrame) -> Chart | None:
    width = -(-(own.select(pl.col("step").max()).item() + 1) // BINS)
    lines = [
        line
        for arm in panel.arms
        if (line := _line(arm, own.filter(arm=arm.name), width)) is not None
    ]
    if not finite(y for line in lines for y in line.y):
        return None
    if name == "edge":
        ends = [min(line.x[0] for line in lines), max(line.x[-1] for line in lines)]
        style = Style(len(panel.arms), 2)
        lines.append(Line("threshold", style, ends, [1.0, 1.0], [None, None], [None, None]))
    title = name.replace("_", " ")
    y, layers = value_axis(title.capitalize(), lines)
    words = "; ".join(
        f"{x.label} ends at {number((finite(x.y) or [float('nan')])[-1])}" for x in lines
    )
    return Chart(
        name=slug("dynamics", panel.task, panel.model, probe, name),
        title=f"{probe}: {title}, {panel.title}",
        description=f"{title.capitalize()} along the training, by arm; {words}.",
        caption="",
        x=Axis("Step", limits=padded([x for line in lines for x in line.x])),
        y=y,
        layers=layers,
    )


def _line(arm: Arm, own: pl.DataFrame, width: int) -> Line | None:
    by_run = (
        own.with_columns(bin=pl.col("step") // width)
        .group_by("bin", "run", maintain_order=True)
        .agg(pl.col("step").mean(), pl.col("value").mean())
    )
    rows = (
        by_run.group_by("bin", maintain_order=True)
        .agg(pl.col("step").mean(), "value")
        .sort("bin")
        .rows(named=True)
    )
    if not rows:
        return None
    intervals = [mean_interval(row["value"]) for row in rows]
    return Line(
        arm.name,
        arm_style(arm),
        [row["step"] for row in rows],
        [interval.mean for interval in intervals],
        [interval.low for interval in intervals],
        [interval.high for interval in intervals],
    )


def _summary(results: StudyResults, panels: Sequence[Panel]) -> Table:
    records: list[dict[str, Any]] = []
    for panel in panels:
        shown = _shown(results, panel)
        ends = (
            shown.sort("step")
            .group_by("arm", "probe", "name", "run", maintain_order=True)
            .agg(pl.col("value").tail((pl.len() * LAST).ceil().cast(pl.Int64)).mean())
        )
        every = pl.concat([ends, _shares(shown)])
        arms = {arm.name: arm for arm in panel.arms}
        for (name, probe, figure), group in every.group_by(
            "arm", "probe", "name", maintain_order=True
        ):
            values = group["value"].to_list()
            records.append(figure_record(panel, arms[str(name)], str(probe), str(figure), values))
    note = (
        "Mean over the last tenth of the looks, then over seeds ± half the 95 % Student t "
        "interval, at the arm's selected point. Exploding is the share of looks at which the "
        f"gradient was more than {EXPLODES} times as long as in the median of its run, clipping "
        "that at which it was clipped."
    )
    return figure_table("dynamics", "While training", note, records)


def _shares(shown: pl.DataFrame) -> pl.DataFrame:
    """Return the shares of looks at which gradients exploded and were clipped, by run."""
    norms = shown.filter(name="gradient_norm")
    large = pl.col("value") > EXPLODES * pl.col("value").median().over("run", "probe")
    exploding = norms.with_columns(value=large.cast(pl.Float64), name=pl.lit("exploding"))
    clipping = shown.filter(name="clipped").with_columns(name=pl.lit("clipping"))
    keys = ("arm", "probe", "name", "run")
    both = pl.concat([exploding, clipping])
    return both.group_by(keys, maintain_order=True).agg(pl.col("value").mean())


def _cost(results: StudyResults, panels: Sequence[Panel]) -> Table:
    trained = {row["run"]: row for row in results.runs.to_dicts()}
    records = []
    for panel in panels:
        for arm in panel.arms:
            runs = _selected(arm)
            own = results.series.filter(pl.col("run").is_in(runs), arm=arm.name)
            for (probe,), group in own.group_by("probe", maintain_order=True):
                looks = group.filter(pl.col("step").is_not_null())
                seconds, gradients = (
                    float(group.filter(figure=name)["value"].sum()) for name in COST
                )
                work = sum(trained[run]["seconds"] or 0.0 for run in group["run"].unique())
                records.append(
                    {
                        **key(panel, arm),
                        "probe": probe,
                        "looks": looks.select("run", "step").n_unique(),
                        "gradient_evaluations": gradients,
                        "seconds": seconds,
                        "share": seconds / work if work else None,
                    }
                )
    columns = [
        *key_columns(),
        Column("probe", lambda row: row["probe"], numeric=False),
        Column("looks", lambda row: count(row["looks"])),
        Column("gradients of a batch", lambda row: count(row["gradient_evaluations"])),
        Column("a look", lambda row: number(row["gradient_evaluations"] / max(row["looks"], 1), 3)),
        Column("seconds", lambda row: duration(row["seconds"])),
        Column("of training", lambda row: _share(row["share"])),
    ]
    schema = {
        **KEY_SCHEMA,
        "probe": pl.String,
        "looks": pl.Int64,
        **dict.fromkeys(("gradient_evaluations", "seconds", "share"), pl.Float64),
    }
    note = (
        "What it took to look at the runs of the arm's selected point, in gradients of a minibatch "
        "and in time, of which the runs' own costs and times hold nothing."
    )
    return build_table("looking", "What looking cost", note, records, schema, columns)


def _share(share: float | None) -> str:
    return "—" if share is None else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _selected(arm: Arm) -> list[str]:
    return [] if arm.selected is None else [run["run"] for run in arm.selected.runs]


def _shown(results: StudyResults, panel: Panel) -> pl.DataFrame:
    """Return the finite figures of the panel's selected runs, with a ``name`` for people."""
    runs = [run for arm in panel.arms for run in _selected(arm)]
    arms = [arm.name for arm in panel.arms]
    suffix = pl.concat_str(
        pl.col("figure").str.strip_suffix("s"), pl.lit(" "), (pl.col("index") + 1).cast(pl.String)
    )
    return results.series.filter(
        pl.col("run").is_in(runs),
        pl.col("arm").is_in(arms),
        pl.col("step").is_not_null(),
        pl.col("value").is_finite(),
        ~pl.col("figure").is_in(ABOUT),
    ).with_columns(name=pl.when(pl.col("index").is_null()).then("figure").otherwise(suffix))
