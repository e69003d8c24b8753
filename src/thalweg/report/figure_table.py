"""What probes have found, as a table: a row a panel, arm, probe and figure."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from thalweg.report.metric_columns import metric_figures, metric_schema, metric_text
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key, key_columns
from thalweg.study.panels import Arm, Panel

SCHEMA = {
    **KEY_SCHEMA,
    **dict.fromkeys(("probe", "figure"), pl.String),
    "seeds": pl.Int64,
    **metric_schema(["value"]),
}


def figure_record(
    panel: Panel, arm: Arm, probe: str, figure: str, values: Sequence[float]
) -> dict[str, Any]:
    """Return a row: mean and interval of a figure over the seeds of an arm."""
    named = {"probe": probe, "figure": figure, "seeds": len(values)}
    return {**key(panel, arm), **named, **metric_figures(["value"], {"value": values}.__getitem__)}


def figure_table(name: str, title: str, note: str, records: Sequence[dict[str, Any]]) -> Table:
    """Return the table of what `figure_record` returned."""
    columns = [
        *key_columns(),
        Column("probe", lambda row: row["probe"], numeric=False),
        Column("figure", lambda row: row["figure"], numeric=False),
        Column("seeds", lambda row: str(row["seeds"])),
        Column("mean", lambda row: metric_text(row, "value")),
    ]
    return build_table(name, title, note, records, SCHEMA, columns)
