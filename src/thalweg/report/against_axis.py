"""What probes have measured, against the hyperparameter that an arm's grid varies."""

from dataclasses import dataclass

import polars as pl

from thalweg.report.charts import Axis, Chart, Line, Number, grid_ticks, padded, value_axis
from thalweg.report.formats import number
from thalweg.report.sensitivity import Sensitivity, axis_name, sensitivities
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Panel
from thalweg.study.statistics import mean_interval

LEAD = (
    "Mean over seeds with the 95 % Student t interval at every point of the grid, of the runs that "
    "did not diverge."
)

CHARTED = (
    *("feature_sparsity", "feature_sparsity_distinct", "jacobian_rank", "effective_rank"),
    *("eigenvalues", "trace", "lambda_max", "asam"),
)
"""Figures that have a chart; of several the first is taken."""


@dataclass(frozen=True)
class AgainstAxis:
    """A measured figure against a hyperparameter: a line a curve, means with 95 % intervals."""

    axis: str
    probe: str
    figure: str
    lines: tuple[tuple[Sensitivity, Line], ...]

    @property
    def name(self) -> str:
        """Of the figure, for people."""
        name = "largest eigenvalue" if self.figure == "eigenvalues" else self.figure
        return name.replace("_", " ")


def axis_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one chart a probe, figure in `CHARTED` and axis that an arm's grid varies."""
    return [_chart(panel, found) for found in against_axes(results, panel)]


def against_axes(results: StudyResults, panel: Panel) -> list[AgainstAxis]:
    """Return what was measured against each axis that an arm's grid varies."""
    measured = results.probes.filter(
        pl.col("figure").is_in(CHARTED), pl.col("index").fill_null(0) == 0
    )
    pairs = measured.select("probe", "figure").unique(maintain_order=True).rows()
    found = []
    for axis, curves in sensitivities(panel).items():
        for probe, figure in pairs:
            own = measured.filter(probe=probe, figure=figure)
            lines = [(curve, line) for curve in curves if (line := _line(axis, curve, own))]
            if lines:
                found.append(AgainstAxis(axis, probe, figure, tuple(lines)))
    return found


def _line(axis: str, curve: Sensitivity, own: pl.DataFrame) -> Line | None:
    x, y, low, high = [], [], list[Number](), list[Number]()
    for point in sorted(curve.arm.points, key=lambda point: float(point.axes.get(axis, 0))):
        if axis not in point.axes:
            continue
        runs = [run["run"] for run in point.runs]
        values = own.filter(pl.col("run").is_in(runs), arm=curve.arm.name)["value"].drop_nulls()
        if len(values):
            interval = mean_interval(values.to_list())
            x.append(float(point.axes[axis]))
            y.append(interval.mean)
            low.append(interval.low)
            high.append(interval.high)
    if len(x) < 2:
        return None
    return Line(curve.label, curve.style, x, y, low, high, markers=True)


def _chart(panel: Panel, found: AgainstAxis) -> Chart:
    name, axis = found.name, found.axis
    lines = [line for _, line in found.lines]
    ticks = sorted({x for line in lines for x in line.x})
    log = ticks[0] > 0 and ticks[-1] > 10 * ticks[0]
    y, layers = value_axis(name.capitalize(), lines)
    words = "; ".join(
        f"{x.label} goes from {number(x.y[0])} at {number(x.x[0])} to {number(x.y[-1])} at "
        f"{number(x.x[-1])}"
        for x in lines
    )
    return Chart(
        name=slug("against", panel.task, panel.model, found.probe, found.figure, axis),
        title=f"{found.probe}: {name} against {axis_name(axis)}, {panel.title}",
        description=f"{name.capitalize()} against {axis_name(axis)}, by arm; {words}.",
        caption="",
        x=Axis(
            axis_name(axis).capitalize(),
            log,
            padded(ticks, log),
            grid_ticks(ticks, log),
        ),
        y=y,
        layers=layers,
    )
