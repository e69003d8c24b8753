"""Figures over seeds as columns of tables: mean, interval and median of each metric."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import polars as pl

from thalweg.report.formats import metric_interval, metric_name, metric_value
from thalweg.report.table import Column
from thalweg.study.statistics import mean_interval, median

FIGURES = ("mean", "low", "high", "median")


def metric_schema(metrics: Iterable[str]) -> dict[str, Any]:
    """Return the columns of metrics in a table's frame."""
    return {f"{metric}_{figure}": pl.Float64 for metric in metrics for figure in FIGURES}


def metric_figures(
    metrics: Iterable[str], values: Callable[[str], Sequence[float]]
) -> dict[str, Any]:
    """Return a record's columns of metrics.

    Args:
        metrics: Names.
        values: The figures of a metric, one a seed, ±inf for a diverged run; empty for none.
    """
    found: dict[str, Any] = {}
    for metric in metrics:
        known = values(metric)
        interval = mean_interval(known) if known else None
        found[f"{metric}_mean"] = interval.mean if interval else None
        found[f"{metric}_low"] = interval.low if interval else None
        found[f"{metric}_high"] = interval.high if interval else None
        found[f"{metric}_median"] = median(known) if known else None
    return found


def metric_columns(metrics: Iterable[str]) -> list[Column]:
    """Return the page's columns of metrics: mean ± half the interval."""

    def column(metric: str) -> Column:
        return Column(metric_name(metric), lambda row: metric_text(row, metric))

    return [column(metric) for metric in metrics]


def metric_text(row: dict[str, Any], metric: str) -> str:
    """Return a metric of a record; where a run diverged, the median, as the mean is infinite."""
    mean, low, high = (row[f"{metric}_{figure}"] for figure in ("mean", "low", "high"))
    if mean is not None and math.isinf(mean):
        middle = row.get(f"{metric}_median")
        if middle is None or math.isinf(middle):
            return "diverged"
        return f"median {metric_value(metric, middle)}"
    return metric_interval(metric, mean, None if low is None else (high - low) / 2)
