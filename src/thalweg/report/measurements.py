"""What probes have measured of the runs, on the page."""

from collections.abc import Sequence
from functools import partial

import polars as pl

from thalweg.report.arm_dots import arm_dots
from thalweg.report.charts import Chart
from thalweg.report.metric_columns import metric_figures, metric_schema, metric_text
from thalweg.report.panels import Arm, Panel
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key, key_columns
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug

LEAD = (
    "Measured at the weights the runs ended with: the large mark is the mean over seeds at the "
    "arm's selected point, the bar its 95 % Student t interval; every small mark is one seed. "
    "Eigenvalues that have not converged are left out."
)

CHARTED = ("eigenvalue 1", "gap", "ratio", "trace", "asam", "fisher_rao")
"""Figures that have a chart; all are in the table."""

UNSHOWN = ("converged", "residuals", "examples", "seed", "products")
"""What tells about the measurement, and not about the network."""


def measured_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one chart a probe and figure in `CHARTED`."""
    shown = _shown(results)
    pairs = shown.select("probe", "name").unique(maintain_order=True).rows()
    charts = []
    for probe, name in pairs:
        if name in CHARTED:
            own = shown.filter(probe=probe, name=name)
            chart = arm_dots(
                panel,
                name,
                partial(_values, own),
                slug("measured", panel.task, panel.model, probe, name),
                f"{probe}: {name.replace('_', ' ')}, {panel.title}",
            )
            charts += [chart] if chart else []
    return charts


def measured_tables(results: StudyResults, panels: Sequence[Panel]) -> list[Table]:
    """Return the table of all figures, if there are any."""
    shown = _shown(results)
    pairs = shown.select("probe", "name").unique(maintain_order=True).rows()
    records = []
    for panel in panels:
        for probe, name in pairs:
            own = shown.filter(probe=probe, name=name)
            for arm in panel.arms:
                if values := _values(own, arm):
                    figures = metric_figures(["value"], {"value": values}.__getitem__)
                    named = {"probe": probe, "figure": name, "seeds": len(values)}
                    records.append({**key(panel, arm), **named, **figures})
    columns = [
        *key_columns(),
        Column("probe", lambda row: row["probe"], numeric=False),
        Column("figure", lambda row: row["figure"], numeric=False),
        Column("seeds", lambda row: str(row["seeds"])),
        Column("mean", lambda row: metric_text(row, "value")),
    ]
    schema = {
        **KEY_SCHEMA,
        **dict.fromkeys(("probe", "figure"), pl.String),
        "seeds": pl.Int64,
        **metric_schema(["value"]),
    }
    note = "Mean over seeds ± half the 95 % Student t interval, at the arm's selected point."
    table = build_table("measurements", "Measurements", note, records, schema, columns)
    return [table] if records else []


def _shown(results: StudyResults) -> pl.DataFrame:
    """Return the measured figures with a ``name`` for people, without the unconverged."""
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
        results.probes.filter(~pl.col("figure").is_in(UNSHOWN), pl.col("value").is_not_null())
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
