"""Means over seeds as lines with bands."""

from collections.abc import Sequence

from thalweg.report.charts import Line, Number, Style
from thalweg.study.statistics import mean_interval


def mean_line(
    name: str,
    style: Style,
    x: Sequence[float],
    values: Sequence[Sequence[float]],
    lowest: float | None = None,
    markers: bool = False,
) -> Line:
    """Return a line through means with the 95 % Student t band.

    Args:
        name: Of the series.
        style: Its look.
        x: Positions.
        values: At each position, one a seed; none where there is a gap.
        lowest: What no value can be below, and so no band is.
        markers: Whether positions are marked.
    """
    intervals = [mean_interval(own) if len(own) else None for own in values]
    low: list[Number] = [None if i is None else i.low for i in intervals]
    if lowest is not None:
        low = [None if end is None else max(end, lowest) for end in low]
    return Line(
        name,
        style,
        x,
        [None if i is None else i.mean for i in intervals],
        low,
        [None if i is None else i.high for i in intervals],
        markers,
    )
