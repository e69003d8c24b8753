"""How the selection metric depends on a numeric hyperparameter, as charts."""

import math
from collections.abc import Sequence

from thalweg.report.charts import (
    Axis,
    Chart,
    Layer,
    Line,
    Points,
    Shade,
    finite,
    grid_ticks,
    log_ticks,
    padded,
)
from thalweg.report.formats import axis_title, clipped, metric_name, metric_value, number
from thalweg.report.metric_axis import shown
from thalweg.report.sensitivity import LEARNING_RATE, Sensitivity, axis_name, sensitivities
from thalweg.store.slug import slug
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Panel


def sensitivity_charts(panel: Panel) -> list[Chart]:
    """Return one chart for each numeric hyperparameter that an arm's grid varies.

    Curves without a finite mean make none; the summary says why.
    """
    return [
        sensitivity_chart(panel, axis, curves)
        for axis, curves in sensitivities(panel).items()
        if finite(point.mean for member in curves for point in member.curve.points)
    ]


def sensitivity_chart(panel: Panel, axis: str, curves: Sequence[Sensitivity]) -> Chart:
    """Return the chart of some curves along one hyperparameter, of which one has a finite mean."""
    metric = panel.metric
    points = [point for member in curves for point in member.curve.points]
    means = finite(point.mean for point in points)
    log_y = not is_accuracy(metric) and min(means, default=0) > 0 and max(means) > 10 * min(means)
    ends = [e for e in finite(e for p in points for e in p.mean_band or ()) if not log_y or e > 0]
    low, high = padded([shown(metric, v) for v in (*means, *ends)], log_y, 0.1)
    positive = all(point.value > 0 for point in points)
    values = sorted({point.value for point in points})
    layers: list[Layer] = []
    optima: list[str] = []
    for index, member in enumerate(curves):
        layers.append(_line(member, metric))
        optimum = _optimum(member, metric)
        if optimum is not None:
            if member.curve.interval is not None:
                layers.append(Shade(member.style, *member.curve.interval))
            layers.append(optimum)
            optima.append(member.verdict(metric))
        # Crosses of several arms at one value are stacked from the worse border inwards.
        share = 0.03 + 0.04 * (index % 6)
        border = share if is_accuracy(metric) else 1 - share
        height = low * (high / low) ** border if log_y else low + border * (high - low)
        diverged = [point for point in member.curve.points if point.diverged]
        if diverged:
            layers.append(
                Points(
                    member.label,
                    member.style,
                    [point.value for point in diverged],
                    [height] * len(diverged),
                    "cross",
                    [
                        f"{clipped(member.label)} at {number(p.value)}: "
                        f"{p.diverged} of {p.count} diverged, median "
                        + metric_value(metric, p.median)
                        for p in diverged
                    ],
                )
            )
    name = axis_name(axis)
    warnings = [text for m in curves if (text := m.warning(metric, panel.searched))]
    return Chart(
        name=slug("sensitivity", panel.task, panel.model, name, metric),
        title=f"{metric_name(metric).capitalize()} against {name}: {panel.title}",
        description=f"{axis_title(metric)} against {name} on {panel.title}. "
        + " ".join(member.verdict(metric) for member in curves),
        caption=" ".join([*optima, *warnings]),
        x=Axis(
            (name if axis != LEARNING_RATE else "Learning rate"),
            positive,
            padded(values, positive),
            grid_ticks(values, positive),
        ),
        y=Axis(axis_title(metric), log_y, (low, high), log_ticks((low, high)) if log_y else None),
        layers=tuple(layers),
    )


def _line(member: Sensitivity, metric: str) -> Line:
    def scaled(values: list[float | None]) -> list[float | None]:
        return [None if v is None or math.isinf(v) else shown(metric, v) for v in values]

    points = member.curve.points
    return Line(
        member.label,
        member.style,
        [point.value for point in points],
        scaled([point.mean for point in points]),
        scaled([point.mean_band[0] if point.mean_band else None for point in points]),
        scaled([point.mean_band[1] if point.mean_band else None for point in points]),
        markers=True,
    )


def _optimum(member: Sensitivity, metric: str) -> Points | None:
    """The star on the curve that holds the arm's selected point, if its mean is finite."""
    curve = member.curve
    if not member.selected or curve.best is None:
        return None
    best = curve.points[curve.best]
    if best.mean is None or math.isinf(best.mean):
        return None
    bounds = curve.interval
    within = f", optimum within [{bounds[0]:.3g}, {bounds[1]:.3g}]" if bounds else ""
    return Points(
        member.label,
        member.style,
        [best.value],
        [shown(metric, best.mean)],
        "star",
        [
            f"{clipped(member.label)}: best at {number(best.value)} "
            f"({metric_value(metric, best.mean)}){within}"
        ],
        x_interval=[bounds],
    )
