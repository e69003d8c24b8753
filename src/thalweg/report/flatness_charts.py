"""How well tickets do against how flat the dense network was, an arm a point."""

import math
from collections.abc import Callable, Sequence

from thalweg.report.charts import Axis, Chart, Points, log_ticks, padded
from thalweg.report.dense_and_tickets import DenseAndTickets, Quantity
from thalweg.report.formats import axis_title, clipped, metric_interval, metric_name
from thalweg.store.slug import slug
from thalweg.study.metrics import is_accuracy
from thalweg.study.statistics import Interval, mean_interval


def flatness_charts(found: Sequence[DenseAndTickets]) -> list[Chart]:
    """Return one chart a panel and measure of flatness, against the sparsest ticket."""
    return [
        chart
        for each in found
        for first in each.of("flatness")
        if (chart := _chart(each, first, each.of("ticket")[-1])) is not None
    ]


def _chart(found: DenseAndTickets, first: Quantity, second: Quantity) -> Chart | None:
    scale = 100.0 if is_accuracy(found.metric) else 1.0
    layers = []
    words = []
    for arm in found.arms:
        flat, good = (each.values.get(arm.name, {}) for each in (first, second))
        seeds = sorted(flat.keys() & good.keys())
        values = [good[seed] for seed in seeds]
        if not seeds or not all(map(math.isfinite, values)) or min(flat.values()) <= 0:
            continue
        # A mean of logarithms, as flatness differs by factors.
        logs = mean_interval([math.log(flat[seed]) for seed in seeds])
        mean = mean_interval(values)
        x = math.exp(logs.mean)
        text = metric_interval(found.metric, mean.mean, mean.half_width)
        words.append(f"{arm.name} at {x:.3g} has {text}")
        layers.append(
            Points(
                arm.name,
                arm.style,
                [x],
                [scale * mean.mean],
                "dot",
                [f"{clipped(arm.name)}: {first.heading} {x:.3g}, {text}"],
                x_interval=[_ends(logs, math.exp)],
                y_interval=[_ends(mean, lambda value: scale * value)],
            )
        )
    if not layers:
        return None
    panel = found.panel
    x_limits = padded([end for layer in layers for end in _extent(layer.x, layer.x_interval)], True)
    y_limits = padded([end for layer in layers for end in _extent(layer.y, layer.y_interval)])
    if is_accuracy(found.metric):
        y_limits = (max(y_limits[0], 0.0), min(y_limits[1], 100.0))
    return Chart(
        name=slug("ticket-against", first.name, panel.task, panel.model),
        title=f"{second.heading} against {first.heading} of the dense network, {panel.title}",
        description=f"{metric_name(found.metric)} with {second.heading} against {first.heading} "
        f"of the dense network on {panel.title}: {'; '.join(words)}.",
        caption="Means over seeds, of flatness that of its logarithm, with 95 % Student t "
        "intervals. Flatter is further left.",
        x=Axis(f"{first.heading} of the dense network", True, x_limits, log_ticks(x_limits)),
        y=Axis(f"{axis_title(found.metric)}, {second.heading}", limits=y_limits),
        layers=tuple(layers),
    )


def _ends(interval: Interval, scale: Callable[[float], float]) -> tuple[float, float] | None:
    if interval.low is None or interval.high is None:
        return None
    return scale(interval.low), scale(interval.high)


def _extent(
    values: Sequence[float], intervals: Sequence[tuple[float, float] | None] | None
) -> list[float]:
    """Return all that an axis has to show."""
    return [*values, *(end for ends in intervals or () if ends is not None for end in ends)]
