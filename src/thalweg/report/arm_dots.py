"""A figure of every arm of a panel: each seed, and the mean with its interval."""

from collections.abc import Callable, Sequence

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Layer, Points, Words, finite, name_ticks, padded
from thalweg.report.focus import beyond_text, outlying
from thalweg.report.formats import (
    axis_title,
    clipped,
    metric_interval,
    metric_name,
    metric_value,
    plural,
)
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Arm, Panel
from thalweg.study.statistics import mean_interval


def arm_dots(
    panel: Panel,
    metric: str,
    values: Callable[[Arm], Sequence[float]],
    name: str,
    title: str,
) -> Chart | None:
    """Return a chart with a row an arm; None where no arm has a finite figure. Arms that would
    squeeze all others into a corner are told in words.

    Args:
        panel: The panel.
        metric: What the figures are of, which decides how they are written.
        values: The figures of an arm, one a seed, ±inf for a diverged run.
        name: Of the chart's files.
        title: Of the chart.
    """
    scale = 100.0 if is_accuracy(metric) else 1.0
    figures = {arm.name: values(arm) for arm in panel.arms}
    ranges = {name: extent for name, found in figures.items() if (extent := _extent(found))}
    beyond = outlying(ranges)
    on_axis = [ends for name, ends in ranges.items() if name not in beyond]
    limits = padded([scale * end for ends in on_axis for end in ends])
    layers: list[Layer] = []
    words = []
    for row, arm in enumerate(panel.arms):
        place = float(row)
        found = figures[arm.name]
        known = finite(found)
        if not known:
            words.append(f"{arm.name}: no finite result")
            continue
        interval = mean_interval(found)
        text = metric_interval(metric, interval.mean, interval.half_width)
        words.append(f"{arm.name} {text}")
        if arm.name in beyond:
            layers.append(Words([limits[0]], [place], [f"beyond the axis: {text}"]))
            continue
        layers.append(
            Points(
                arm.name,
                arm_style(arm),
                [scale * v for v in known],
                [place + 0.18] * len(known),
                "small",
                [f"{clipped(arm.name)}: {metric_value(metric, v)}" for v in known],
            )
        )
        if not interval.diverged:
            bounds = None
            if interval.low is not None and interval.high is not None:
                bounds = (scale * interval.low, scale * interval.high)
            layers.append(
                Points(
                    arm.name,
                    arm_style(arm),
                    [scale * interval.mean],
                    [place],
                    "dot",
                    [words[-1] + f", {plural(interval.count, 'seed')}"],
                    x_interval=[bounds],
                )
            )
    if not layers:
        return None
    return Chart(
        name=name,
        title=title,
        description=f"{metric_name(metric)} of each arm on {panel.title}: {'; '.join(words)}.",
        caption=f"Points selected by {metric_name(panel.metric)}. {beyond_text(beyond)}".strip(),
        x=Axis(axis_title(metric), limits=limits),
        y=Axis(
            "",
            limits=(len(panel.arms) - 0.4, -0.6),
            ticks=name_ticks([clipped(arm.name, 24) for arm in panel.arms], 60),
        ),
        layers=tuple(layers),
        height=150 + 52 * len(panel.arms),
        legend=False,
    )


def _extent(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the least and the greatest of the finite figures and of the ends of their interval;
    None where there is no figure.
    """
    known = finite(values)
    if not known:
        return None
    interval = mean_interval(values)
    ends = [] if interval.diverged else finite([interval.low, interval.high])
    return min(known + ends), max(known + ends)
