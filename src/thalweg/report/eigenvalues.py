"""Eigenvalues in the order of their size, on the page."""

from collections.abc import Sequence

import polars as pl

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Line, Number, name_ticks, value_axis
from thalweg.report.formats import number
from thalweg.report.measurements import shown_figures
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Arm, Panel
from thalweg.study.statistics import mean_interval

EIGENVALUES = "eigenvalues"


def eigenvalue_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one chart a probe that has found several eigenvalues: each by its place, by arm; those
    that have not converged are left out.
    """
    found = shown_figures(results).filter(pl.col("figure") == EIGENVALUES)
    charts = []
    for probe in found["probe"].unique(maintain_order=True):
        own = found.filter(probe=probe)
        lines = [line for arm in panel.arms if (line := _line(own, arm)) is not None]
        last = max((line.x[-1] for line in lines), default=0)
        if last < 2:
            continue
        axis, drawn = value_axis("Eigenvalue", lines)
        words = "; ".join(f"{line.label} {', '.join(number(y) for y in line.y)}" for line in lines)
        charts.append(
            Chart(
                name=slug("eigenvalues", panel.task, panel.model, probe),
                title=f"{probe}: eigenvalues, {panel.title}",
                description=f"Eigenvalues in order, by arm: {words}.",
                caption="Mean over seeds with the 95 % Student t band.",
                x=Axis(
                    "Place of the eigenvalue",
                    limits=(0.8, last + 0.2),
                    ticks=name_ticks([str(i) for i in range(int(last) + 1)])[1:],
                ),
                y=axis,
                layers=drawn,
            )
        )
    return charts


def _line(own: pl.DataFrame, arm: Arm) -> Line | None:
    runs = [] if arm.selected is None else [run["run"] for run in arm.selected.runs]
    rows = (
        own.filter(pl.col("run").is_in(runs), arm=arm.name)
        .group_by("index")
        .agg("value")
        .sort("index")
        .rows()
    )
    if not rows:
        return None
    intervals = [mean_interval(values) for _, values in rows]
    low: Sequence[Number] = [interval.low for interval in intervals]
    high: Sequence[Number] = [interval.high for interval in intervals]
    x = [float(index + 1) for index, _ in rows]
    return Line(arm.name, arm_style(arm), x, [i.mean for i in intervals], low, high, markers=True)
