"""How figures change while networks train, on the page."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Line, Number, Style, cut, finite, log_ticks, padded
from thalweg.report.focus import beyond_text, outlying
from thalweg.report.formats import axis_title, metric_name, number
from thalweg.report.metric_axis import shown
from thalweg.store.results import StudyResults
from thalweg.store.run_directory import COMPLETE
from thalweg.store.slug import slug
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Panel, Run
from thalweg.study.statistics import mean_interval

CURVES = ("test_accuracy", "test_loss", "validation_accuracy", "validation_loss", "train_loss")

ALONG = {
    "epoch": "Epoch",
    "step": "Step",
    "examples": "Examples",
    "gradient_evaluations": "Gradient evaluations",
    "flops": "FLOPs",
    "seconds": "Seconds",
}
"""Columns of the ``metrics`` frame along which a curve can be drawn, and how they are called."""


def learning_curves(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one chart a metric that was recorded, one line an arm at its selected point."""
    charts = []
    for metric in CURVES:
        lines = [
            learning_curve(results, arm.selected.runs, metric, arm.name, arm_style(arm))
            for arm in panel.arms
            if arm.selected is not None
        ]
        if any(finite(line.y) for line in lines):
            charts.append(learning_chart(panel, metric, lines))
    return charts


def learning_curve(
    results: StudyResults,
    runs: Sequence[Run],
    metric: str,
    label: str,
    style: Style,
    along: str = "epoch",
) -> Line:
    """Return mean and 95 % Student t band over the seeds at each epoch; nothing where a seed has no
    finite figure.

    Args:
        results: The study's results.
        runs: One a seed; those that have not ended are left out.
        metric: One of `CURVES`.
        label: The line's name.
        style: Its look.
        along: One of `ALONG`; a cost is the mean over the seeds at the end of the epoch.
    """
    ids = [run["run"] for run in runs if run["status"] in COMPLETE]
    frame = (
        results.metrics.filter(pl.col("run").is_in(ids), pl.col(along).is_not_null())
        .group_by("epoch")
        .agg(pl.col(along).mean().alias("place"), pl.col(metric))
        .sort("epoch")
    )
    x: list[float] = []
    y: list[Number] = []
    low: list[Number] = []
    high: list[Number] = []
    for _, place, values in frame.iter_rows():
        if all(value is None for value in values):
            continue  # not evaluated at this epoch
        known = finite(values)
        x.append(float(place))
        if len(known) < len(ids):
            y.append(None)
            low.append(None)
            high.append(None)
            continue
        interval = mean_interval(known)
        y.append(shown(metric, interval.mean))
        low.append(None if interval.low is None else shown(metric, interval.low))
        high.append(None if interval.high is None else shown(metric, interval.high))
    return Line(label, style, x, y, low, high)


def learning_chart(panel: Panel, metric: str, lines: Sequence[Line], along: str = "epoch") -> Chart:
    """Return the chart of some learning curves, of which one has a finite figure."""
    last_figures = {line.label: extent for line in lines if (extent := _end(line))}
    beyond = outlying(last_figures)
    trained = [
        (line.y[i], line.low[i], line.high[i])
        for line in lines
        if line.label not in beyond
        for i in range(len(line.x))
        # The initialisation would squeeze everything that was learnt into a strip.
        if line.x[i] > 0 or len(finite(line.y)) < 3
    ]
    means = finite(mean for mean, _, _ in trained)
    ends = finite(end for _, *band in trained for end in band)
    log = not is_accuracy(metric) and min(means, default=0) > 0 and max(means) > 10 * min(means)
    if log:  # a band may reach zero, the axis cannot
        ends = [end for end in ends if end > min(means) / 2]
    elif is_accuracy(metric):
        ends = [min(max(end, 0.0), 100.0) for end in ends]
    limits = padded([*means, *ends], log)
    # What the others have gone through while they trained may take the axis as far all the same.
    beyond = [
        name
        for name in beyond
        if last_figures[name][1] < limits[0] or last_figures[name][0] > limits[1]
    ]
    if log:
        lines = [replace(line, low=cut(line.low, limits[0])) for line in lines]
    last = {line.label: finite(line.y)[-1] for line in lines if finite(line.y)}
    words = "; ".join(f"{name} ends at {number(value)}" for name, value in last.items())
    end = max(line.x[-1] for line in lines if line.x)
    return Chart(
        name=slug("curve", panel.task, panel.model, metric, *([along] if along != "epoch" else [])),
        title=f"{metric_name(metric).capitalize()}: {panel.title}",
        description=f"{axis_title(metric)} against {ALONG[along][0].lower()}{ALONG[along][1:]} on "
        f"{panel.title}. {words}.",
        caption=beyond_text(beyond),
        x=Axis(ALONG[along], limits=(0.0, end or 1.0)),
        y=Axis(
            axis_title(metric) if metric != "train_loss" else "Train loss (minibatches)",
            log,
            limits,
            log_ticks(limits) if log else None,
        ),
        layers=tuple(lines),
    )


def _end(line: Line) -> tuple[float, float] | None:
    """Return the range of a line's last figure; None where it has none."""
    known = [i for i, y in enumerate(line.y) if y is not None]
    if not known:
        return None
    ends = finite([line.low[known[-1]], line.y[known[-1]], line.high[known[-1]]])
    return min(ends), max(ends)
