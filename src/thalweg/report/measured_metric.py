"""Figures that probes have measured, as metrics by which arms can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from thalweg.report.measurements import shown_figures
from thalweg.store.results import StudyResults
from thalweg.study.comparison.arms import compared_point
from thalweg.study.panels import Arm, Panel


def is_measured(metric: str) -> bool:
    """Return whether a metric is a measured figure, whose name has a dot."""
    return "." in metric


def with_measured(
    results: StudyResults, grouped: Sequence[Panel], metric: str | None
) -> list[Panel]:
    """Return panels whose metrics are also the measured figures, and whose arms' selected points
    have that which is asked for.

    They are named ``PROBE.FIGURE`` as in the table of measurements, with underscores for spaces:
    ``hessian.eigenvalue_1``. Runs without the figure are left out, as those that diverged have no
    weights to measure and an eigenvalue that has not converged is none. There is no better and no
    worse in what is measured: the lower figure only counts as such where one has to.

    Args:
        results: The study's results.
        grouped: Its panels, returned as they are where they have the metric.
        metric: What is asked for; None for the default.
    """
    if metric is None or any(metric in panel.metrics for panel in grouped):
        return list(grouped)
    shown = _shown(results)
    values = dict(shown.filter(metric=metric).select("run", "value").iter_rows())
    return [
        replace(
            panel,
            metrics=panel.metrics | _names(shown, panel),
            arms=tuple(_measured(arm, metric, values) for arm in panel.arms),
        )
        for panel in grouped
    ]


def measured_metrics(results: StudyResults, panel: Panel) -> list[str]:
    """Return the names of the measured figures that `with_measured` knows of a panel."""
    return sorted(_names(_shown(results), panel))


def left_out(
    before: Sequence[Panel], measured: Sequence[Panel], names: Sequence[str]
) -> tuple[str, ...]:
    """Return a sentence about the runs that `with_measured` has left out; none if there are none.

    Args:
        before: The panels.
        measured: What it returned of them.
        names: The arms that are compared.
    """
    arms = [
        (arm.name, len(compared_point(arm).runs), len(compared_point(kept).runs))
        for panel, other in zip(before, measured, strict=True)
        for arm, kept in zip(panel.arms, other.arms, strict=True)
        if arm.name in names
    ]
    lost = [
        f"{every - kept} of {every} of {name}" for name, every, kept in arms if 0 < kept < every
    ]
    found = f"Runs without the figure, as they diverged or it did not converge: {', '.join(lost)}."
    return (found,) if lost else ()


def _measured(arm: Arm, metric: str, values: Mapping[str, float]) -> Arm:
    point = compared_point(arm)
    runs = tuple(run | {metric: values[run["run"]]} for run in point.runs if run["run"] in values)
    return replace(arm, selected=replace(point, runs=runs))


def _shown(results: StudyResults) -> pl.DataFrame:
    name = pl.col("name").str.replace_all(" ", "_")
    return shown_figures(results).with_columns(metric=pl.col("probe") + "." + name)


def _names(shown: pl.DataFrame, panel: Panel) -> frozenset[str]:
    runs = [run["run"] for arm in panel.arms for run in compared_point(arm).runs]
    return frozenset(shown.filter(pl.col("run").is_in(runs))["metric"].unique())
