"""The tables of a study: frames in full precision for CSV, rounded texts for the page."""

import json
import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import polars as pl

from thalweg.report.classes import arm_classes
from thalweg.report.formats import count, duration
from thalweg.report.metric_columns import (
    metric_columns,
    metric_figures,
    metric_schema,
    metric_text,
)
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key, key_columns
from thalweg.store.results import StudyResults
from thalweg.study.earlier_rounds import EarlierCosts, added, earlier_costs
from thalweg.study.panels import Panel, Point, Run

METRICS = (
    "test_accuracy",
    "test_loss",
    "validation_accuracy",
    "validation_loss",
    "train_accuracy",
    "train_loss",
)
"""Figures of a run, in the order of the columns."""


def tables(results: StudyResults, panels: Sequence[Panel]) -> list[Table]:
    """Return the tables that have a row."""
    found = [
        final_table(panels),
        points_table(panels),
        class_table(results, panels),
        cost_table(results, panels),
    ]
    return [table for table in found if table.rows]


def final_table(panels: Sequence[Panel]) -> Table:
    """Return one row a panel and arm: the figures of its selected point."""
    records = [
        {
            **key(panel, arm),
            "optimizer": arm.optimizer,
            "selected_by": panel.metric,
            "point": arm.selected.label if arm.selected else None,
            "hyperparameters": arm.selected.runs[0]["hyperparameters"] if arm.selected else None,
            **_figures(panel, arm.selected),
            "diverged_in_arm": arm.count("diverged"),
            "failed_in_arm": arm.count("failed"),
            "missing_in_arm": arm.count("missing"),
            "runs_in_arm": sum(len(point.runs) for point in arm.points),
        }
        for panel in panels
        for arm in panel.arms
    ]
    columns = [
        *key_columns(),
        Column("optimizer", lambda row: row["optimizer"], numeric=False),
        Column("selected point", _point_text, numeric=False),
        Column("seeds", lambda row: str(row["seeds"])),
        *_metric_columns(panels),
        Column("diverged", _diverged_text),
        Column("failed or missing", _absent_text),
    ]
    return build_table(
        "final",
        "Results at the selected points",
        "Mean over seeds ± half the 95 % Student t interval. Where a run diverged the mean "
        "is infinite and the median over the seeds is given instead. Diverged, failed and missing "
        "are counted over all points of the arm.",
        records,
        _FINAL_SCHEMA,
        columns,
    )


def points_table(panels: Sequence[Panel]) -> Table:
    """Return one row a panel, arm and grid point."""
    records = [
        {
            **key(panel, arm),
            "point": point.label,
            "axes": json.dumps(point.axes),
            "selected": point is arm.selected,
            **_figures(panel, point),
            "diverged": point.count("diverged"),
            "failed": point.count("failed"),
            "missing": point.count("missing"),
        }
        for panel in panels
        for arm in panel.arms
        for point in arm.points
    ]
    columns = [
        *key_columns(),
        Column(
            "point",
            lambda row: (row["point"] or "—") + (" ★" if row["selected"] else ""),
            numeric=False,
        ),
        Column("seeds", lambda row: str(row["seeds"])),
        *_metric_columns(panels),
        Column("diverged", lambda row: str(row["diverged"])),
        Column("failed or missing", lambda row: str(row["failed"] + row["missing"])),
    ]
    return build_table(
        "points",
        "All grid points",
        "★ marks the selected point of each arm.",
        records,
        _POINTS_SCHEMA,
        columns,
    )


def class_table(results: StudyResults, panels: Sequence[Panel]) -> Table:
    """Return one row a panel, arm and class."""
    records = []
    for panel in panels:
        for member in arm_classes(results, panel):
            for name, interval, counts in zip(
                member.names, member.accuracies, member.counts, strict=True
            ):
                records.append(
                    {
                        **key(panel, member.arm),
                        "class": name,
                        "seeds": interval.count if interval else 0,
                        "test_examples": int(counts.sum()),
                        "test_accuracy_mean": interval.mean if interval else None,
                        "test_accuracy_low": interval.low if interval else None,
                        "test_accuracy_high": interval.high if interval else None,
                    }
                )
    columns = [
        *key_columns(),
        Column("class", lambda row: row["class"], numeric=False),
        Column("test examples", lambda row: f"{row['test_examples']:,}"),
        Column("seeds", lambda row: str(row["seeds"])),
        Column("test accuracy", lambda row: metric_text(row, "test_accuracy")),
    ]
    return build_table(
        "classes",
        "Accuracy by class",
        "Test examples are summed over the seeds.",
        records,
        _CLASS_SCHEMA,
        columns,
    )


def cost_table(results: StudyResults, panels: Sequence[Panel]) -> Table:
    """Return one row a panel and arm: means per run over all its runs that ended, with all that
    the rounds of pruning before them took.
    """
    records = []
    earlier = earlier_costs(results)
    for panel in panels:
        for arm in panel.arms:
            runs = [
                _with_earlier(run, earlier)
                for point in arm.points
                for run in point.runs
                if run["status"] in ("done", "diverged")
            ]
            seconds = [run["seconds"] for run in runs if run["seconds"] is not None]
            records.append(
                {
                    **key(panel, arm),
                    "runs": len(runs),
                    "parameters": _joined(runs, "parameters"),
                    **{name: _mean(runs, name) for name in _COSTS},
                    "seconds_total": math.fsum(seconds) if seconds or not runs else None,
                    **{name: _joined(runs, name) for name in ("backend", "device", "rows")},
                }
            )
    columns = [
        *key_columns(),
        Column("runs", lambda row: str(row["runs"])),
        Column("parameters", lambda row: _counts_text(row["parameters"])),
        Column("examples", lambda row: count(row["examples"])),
        Column("gradient evaluations", lambda row: count(row["gradient_evaluations"])),
        Column("FLOPs", lambda row: count(row["flops"])),
        Column("time per run", lambda row: duration(row["seconds"])),
        Column("time in all", lambda row: duration(row["seconds_total"])),
        Column("backend", lambda row: row["backend"] or "—", numeric=False),
        Column("device", lambda row: row["device"] or "—", numeric=False),
        Column("cohort rows", lambda row: row["rows"] or "—"),
    ]
    return build_table(
        "costs",
        "Costs",
        "Means per run over all grid points and seeds, of a network pruned by rounds over all its "
        "rounds, though arms may share the first. A run's time is its share of its cohort's "
        "wall time; compare times only between runs of the same machine, backend and cohort size.",
        records,
        _COST_SCHEMA,
        columns,
    )


_COSTS = ("examples", "gradient_evaluations", "flops", "seconds")

_FIGURE_SCHEMA = {
    "seeds": pl.Int64,
    **metric_schema(METRICS),
}

_FINAL_SCHEMA = {
    **KEY_SCHEMA,
    "optimizer": pl.String,
    "selected_by": pl.String,
    "point": pl.String,
    "hyperparameters": pl.String,
    **_FIGURE_SCHEMA,
    "diverged_in_arm": pl.Int64,
    "failed_in_arm": pl.Int64,
    "missing_in_arm": pl.Int64,
    "runs_in_arm": pl.Int64,
}

_POINTS_SCHEMA = {
    **KEY_SCHEMA,
    "point": pl.String,
    "axes": pl.String,
    "selected": pl.Boolean,
    **_FIGURE_SCHEMA,
    "diverged": pl.Int64,
    "failed": pl.Int64,
    "missing": pl.Int64,
}

_CLASS_SCHEMA = {
    **KEY_SCHEMA,
    "class": pl.String,
    "seeds": pl.Int64,
    "test_examples": pl.Int64,
    "test_accuracy_mean": pl.Float64,
    "test_accuracy_low": pl.Float64,
    "test_accuracy_high": pl.Float64,
}

_COST_SCHEMA = {
    **KEY_SCHEMA,
    "runs": pl.Int64,
    "parameters": pl.String,
    **dict.fromkeys(_COSTS, pl.Float64),
    "seconds_total": pl.Float64,
    "backend": pl.String,
    "device": pl.String,
    "rows": pl.String,
}


def _figures(panel: Panel, point: Point | None) -> dict[str, Any]:
    """Mean, interval and median over the seeds of a point, of the metrics known in the panel."""

    def values(metric: str) -> list[float]:
        return point.values(metric) if point and metric in panel.metrics else []

    return {"seeds": len(point.seeds) if point else 0, **metric_figures(METRICS, values)}


def _metric_columns(panels: Sequence[Panel]) -> list[Column]:
    known = [metric for metric in METRICS if any(metric in panel.metrics for panel in panels)]
    return metric_columns(known)


def _point_text(row: dict[str, Any]) -> str:
    return "none" if row["point"] is None else row["point"] or "—"


def _diverged_text(row: dict[str, Any]) -> str:
    return f"{row['diverged_in_arm']} of {row['runs_in_arm']}"


def _absent_text(row: dict[str, Any]) -> str:
    return str(row["failed_in_arm"] + row["missing_in_arm"])


def _with_earlier(run: Run, earlier: EarlierCosts) -> Run:
    """Return a run with what the rounds of pruning before it took among its costs."""
    known = {name: run[name] for name in _COSTS if run[name] is not None}
    return run | {name: value + added(earlier, run, name) for name, value in known.items()}


def _mean(runs: Sequence[Run], name: str) -> float | None:
    known = [float(run[name]) for run in runs if run[name] is not None]
    return fmean(known) if known else None


def _joined(runs: Sequence[Run], name: str) -> str | None:
    """The different values, as the runs of a grid may differ in size and place."""
    known = sorted({run[name] for run in runs if run[name] is not None})
    return ", ".join(map(str, known)) or None


def _counts_text(joined: str | None) -> str:
    return ", ".join(f"{int(part):,}" for part in joined.split(", ")) if joined else "—"
