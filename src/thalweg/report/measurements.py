"""What probes have measured of the runs, on the page."""

from collections.abc import Sequence
from functools import partial

import polars as pl

from thalweg.report.arm_dots import arm_dots
from thalweg.report.arm_style import arm_style
from thalweg.report.by_layer import layer_tables, layered
from thalweg.report.by_round import by_round_tables
from thalweg.report.charts import Axis, Chart, Line, finite, padded, value_axis
from thalweg.report.densities import density_charts
from thalweg.report.figure_table import figure_record, figure_table
from thalweg.report.formats import number
from thalweg.report.graphs import graph_charts
from thalweg.report.landscapes import landscape_charts, landscape_labels
from thalweg.report.similarities import similarity_charts
from thalweg.report.table import Table
from thalweg.report.weights import weight_charts
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Arm, Panel
from thalweg.study.statistics import mean_interval

LEAD = (
    "Measured at the weights the runs ended with: the large mark is the mean over seeds at the "
    "arm's selected point, the bar its 95 % Student t interval; every small mark is one seed. "
    "Eigenvalues that have not converged are left out."
)

CHARTED = ("eigenvalue 1", "gap", "ratio", "trace", "asam", "fisher_rao")
"""Figures that have a chart; all are in the table."""

ABOUT = ("converged", "residuals", "examples", "seed", "products", "path_steps")
"""What tells about the measurement, and not about the network."""

LINE = ("step", "loss", "accuracy")
"""Figures of a probe that looks along a line."""


def measured_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one chart a probe and figure in `CHARTED`."""
    shown = shown_figures(results)
    pairs = shown.select("probe", "name").unique(maintain_order=True).rows()
    planes = landscape_labels(results)
    charts = line_charts(results, panel)
    for probe, name in pairs:
        if name in CHARTED and probe not in planes:  # whose eigenvalues are on their axes
            own = shown.filter(probe=probe, name=name)
            chart = arm_dots(
                panel,
                name,
                partial(_values, own),
                slug("measured", panel.task, panel.model, probe, name),
                f"{probe}: {name.replace('_', ' ')}, {panel.title}",
            )
            charts += [chart] if chart else []
    planes_and_spectra = [*density_charts(results, panel), *landscape_charts(results, panel)]
    layers = [*weight_charts(results, panel), *similarity_charts(results, panel)]
    return [*charts, *planes_and_spectra, *layers, *graph_charts(results, panel)]


def line_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one chart a probe that has looked along a line: the loss, mean over seeds by arm."""
    found = results.probes.filter(pl.col("figure").is_in(LINE))
    charts = []
    for probe in found["probe"].unique(maintain_order=True):
        lines = [
            line
            for arm in panel.arms
            if (line := _line(found.filter(probe=probe, arm=arm.name), arm)) is not None
        ]
        if not lines:
            continue
        y, layers = value_axis("Loss", lines)
        words = "; ".join(f"{line.label} rises to {number(max(finite(line.y)))}" for line in lines)
        charts.append(
            Chart(
                name=slug("line", panel.task, panel.model, probe),
                title=f"{probe}: loss along the line, {panel.title}",
                description=f"Loss along a line through the weights, by arm; {words}.",
                caption="",
                x=Axis("Step along the direction", limits=padded(lines[0].x)),
                y=y,
                layers=layers,
            )
        )
    return charts


def _line(own: pl.DataFrame, arm: Arm) -> Line | None:
    if arm.selected is None:
        return None
    own = own.filter(pl.col("run").is_in([run["run"] for run in arm.selected.runs]))
    steps = own.filter(figure="step").group_by("index").agg(pl.col("value").first())
    losses = own.filter(figure="loss").group_by("index").agg(pl.col("value").alias("losses"))
    rows = steps.join(losses, on="index").sort("index").rows(named=True)
    if not rows:
        return None
    intervals = [mean_interval([v for v in row["losses"] if v is not None]) for row in rows]
    return Line(
        arm.name,
        arm_style(arm),
        [row["value"] for row in rows],
        [interval.mean for interval in intervals],
        [interval.low for interval in intervals],
        [interval.high for interval in intervals],
    )


def measured_tables(results: StudyResults, panels: Sequence[Panel]) -> list[Table]:
    """Return the table of all figures, and those of figures by layer, if there are any."""
    shown = shown_figures(results)
    pairs = shown.select("probe", "name").unique(maintain_order=True).rows()
    records = [
        figure_record(panel, arm, probe, name, values)
        for panel in panels
        for probe, name in pairs
        for arm in panel.arms
        if (values := _values(shown.filter(probe=probe, name=name), arm))
    ]
    note = "Mean over seeds ± half the 95 % Student t interval, at the arm's selected point."
    table = figure_table("measurements", "Measurements", note, records)
    by_layer = [*layer_tables(results, panels), *by_round_tables(results, panels)]
    return [*([table] if records else []), *by_layer]


def shown_figures(results: StudyResults) -> pl.DataFrame:
    """Return the measured figures with a ``name`` for people, without the unconverged and without
    those that have a table by layer.
    """
    keys = ["run", "arm", "point", "seed", "probe", "index"]
    flags = results.probes.filter(figure="converged").select(*keys, ok=pl.col("value") == 1)
    named = (
        pl.when(pl.col("index").is_null())
        .then(pl.col("figure"))
        .otherwise(
            pl.col("figure").str.strip_suffix("s") + " " + (pl.col("index") + 1).cast(pl.String)
        )
    )
    return (
        results.probes.filter(
            ~pl.col("figure").is_in([*ABOUT, *LINE]),
            ~pl.col("probe").is_in(layered(results)),
            pl.col("value").is_not_null(),
        )
        .join(flags, on=keys, how="left", maintain_order="left")
        .filter(pl.col("ok").fill_null(True))
        .with_columns(name=named)
    )


def _values(own: pl.DataFrame, arm: Arm) -> list[float]:
    if arm.selected is None:
        return []
    runs = [run["run"] for run in arm.selected.runs]
    found: list[float] = own.filter(pl.col("run").is_in(runs), arm=arm.name)["value"].to_list()
    return found
