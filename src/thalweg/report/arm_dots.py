"""A figure of every arm of a panel: each seed, and the mean with its interval."""

from collections.abc import Callable, Sequence

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Layer, Points, finite, name_ticks, padded
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
    """Return a chart with a row an arm; None where no arm has a finite figure.

    Args:
        panel: The panel.
        metric: What the figures are of, which decides how they are written.
        values: The figures of an arm, one a seed, ±inf for a diverged run.
        name: Of the chart's files.
        title: Of the chart.
    """
    scale = 100.0 if is_accuracy(metric) else 1.0
    layers: list[Layer] = []
    shown: list[float] = []
    words = []
    for row, arm in enumerate(panel.arms):
        place = float(row)
        found = values(arm)
        known = finite(found)
        if not known:
            words.append(f"{arm.name}: no finite result")
            continue
        interval = mean_interval(found)
        words.append(f"{arm.name} {metric_interval(metric, interval.mean, interval.half_width)}")
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
        shown += [scale * v for v in known]
        if not interval.diverged:
            bounds = None
            if interval.low is not None and interval.high is not None:
                bounds = (scale * interval.low, scale * interval.high)
                shown += bounds
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
        caption="Points selected by " + metric_name(panel.metric) + ".",
        x=Axis(axis_title(metric), limits=padded(shown)),
        y=Axis(
            "",
            limits=(len(panel.arms) - 0.4, -0.6),
            ticks=name_ticks([clipped(arm.name, 24) for arm in panel.arms], 60),
        ),
        layers=tuple(layers),
        height=150 + 52 * len(panel.arms),
        legend=False,
    )
