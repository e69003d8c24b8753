"""A paired difference as columns of tables."""

from typing import Any

import polars as pl

from thalweg.report.rounds import difference_text
from thalweg.report.table import Column
from thalweg.study.paired import PairedDifference

DIFFERENCE_SCHEMA = {f"difference_{figure}": pl.Float64 for figure in ("mean", "low", "high")}
"""Columns of a difference in a table's frame."""


def difference_figures(paired: PairedDifference | None) -> dict[str, Any]:
    """Return a record's columns of a difference; None for none."""
    if paired is None:
        return dict.fromkeys(DIFFERENCE_SCHEMA)
    interval = paired.interval
    return dict(zip(DIFFERENCE_SCHEMA, (interval.mean, interval.low, interval.high), strict=True))


def difference_column(heading: str) -> Column:
    """Return the page's column of a difference in the metric that the record names."""

    def text(row: dict[str, Any]) -> str:
        mean, low, high = (row[name] for name in DIFFERENCE_SCHEMA)
        if mean is None:
            return "—"
        return difference_text(row["metric"], mean, None if low is None else (high - low) / 2)

    return Column(heading, text)
