"""Figures of a metric over seeds on a vertical axis."""

from collections.abc import Sequence

from thalweg.report.charts import (
    Axis,
    Layer,
    Line,
    Number,
    Points,
    finite,
    log_ticks,
    padded,
)
from thalweg.report.focus import beyond_text, outlying
from thalweg.report.formats import axis_title
from thalweg.study.metrics import is_accuracy
from thalweg.study.statistics import Interval


def shown(metric: str, value: float) -> float:
    """Return a figure in the unit of its axis: accuracies in per cent."""
    return 100 * value if is_accuracy(metric) else value


def ordinates(metric: str, interval: Interval) -> tuple[Number, Number, Number]:
    """Mean and ends of an interval on the vertical axis; None where a run diverged."""
    if interval.diverged:
        return None, None, None
    low, high = (
        None if end is None else shown(metric, end) for end in (interval.low, interval.high)
    )
    return shown(metric, interval.mean), low, high


def focused(metric: str, layers: Sequence[Layer]) -> tuple[Axis, tuple[Layer, ...], str]:
    """Return an axis, the series that lie on it, and the sentence about those that are left out
    because they would squeeze all others into a strip.
    """
    ranges: dict[str, tuple[float, float]] = {}
    for layer in layers:
        if isinstance(layer, Line | Points) and (known := finite(layer.y)):
            ends = (*known, *ranges.get(layer.label, ()))
            ranges[layer.label] = min(ends), max(ends)
    beyond = outlying(ranges)
    kept = tuple(
        layer
        for layer in layers
        if not (isinstance(layer, Line | Points) and layer.label in beyond)
    )
    return _axis(metric, kept), kept, beyond_text(beyond)


def _axis(metric: str, layers: Sequence[Layer]) -> Axis:
    """Return an axis with room for all means and for their intervals as far as they make sense."""
    means: list[float] = []
    ends: list[float] = []
    for layer in layers:
        if isinstance(layer, Line):
            means += finite(layer.y)
            ends += finite([*layer.low, *layer.high])
        elif isinstance(layer, Points):
            means += layer.y
            ends += [end for interval in layer.y_interval or () for end in interval or ()]
    log = not is_accuracy(metric) and min(means, default=0) > 0 and max(means) > 10 * min(means)
    if is_accuracy(metric):
        ends = [min(max(end, 0.0), 100.0) for end in ends]
    else:
        ends = [end for end in ends if end > (min(means) / 2 if log else 0)]
    limits = padded([*means, *ends], log)
    return Axis(axis_title(metric), log, limits, log_ticks(limits) if log else None)
