"""The sizes of the weights, on the page."""

import numpy as np
from numpy.typing import NDArray

from thalweg.report.by_layer import WEIGHTS, Figures, arm_figures, by_seed
from thalweg.report.charts import Axis, Chart, Line, finite, log_ticks, padded
from thalweg.report.formats import number
from thalweg.report.panels import Arm, Panel
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.statistics import mean_interval

SHOWN = 0.01
"""A bin is on the axis where some arm has so large a share of its highest density."""


def weight_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one chart a probe that has looked at the weights: how log10|w| is distributed over all
    layers, by arm.
    """
    charts = []
    for label in WEIGHTS.labels(results):
        members = [(arm, own) for arm in panel.arms if (own := arm_figures(results, label, arm))]
        if not members:
            continue
        lines = [_line(arm, own) for arm, own in members]
        ends = [line.x[i] for line in lines for i in _visible(line)]
        x = padded(ends, True, 0.03)
        words = "; ".join(f"{arm.name} {_words(own)}" for arm, own in members)
        charts.append(
            Chart(
                name=slug("weights", panel.task, panel.model, label),
                title=f"{label}: sizes of the weights, {panel.title}",
                description=f"Density of the decimal logarithm of |w|, by arm; {words}.",
                caption="Weights of all layers that are not 0, as a share a decade: mean over "
                "seeds with the 95 % Student t band. A log-normal distribution is a bell here; a "
                "normal one falls steeply on the right and slowly on the left.",
                x=Axis("|w|", True, x, log_ticks(x)),
                y=Axis("Share of the weights a decade"),
                layers=tuple(lines),
            )
        )
    return charts


def _line(arm: Arm, members: list[Figures]) -> Line:
    # The open bins have no width, and no weight of a network that is of use.
    bins = np.array(members[0]["log10_bins"][1:-1], dtype=np.float64)
    widths = bins[:, 1] - bins[:, 0]
    densities = np.array([_shares(own)[1:-1] for own in members]) / widths
    intervals = [mean_interval(column) for column in densities.T]
    return Line(
        arm.name,
        arm.style,
        (10 ** bins.mean(1)).tolist(),
        [interval.mean for interval in intervals],
        [None if i.low is None else max(i.low, 0.0) for i in intervals],
        [interval.high for interval in intervals],
    )


def _shares(own: Figures) -> NDArray[np.float64]:
    counts: NDArray[np.float64] = np.array(own["log10_counts"][-1], dtype=np.float64)
    found: NDArray[np.float64] = counts / max(counts.sum(), 1)
    return found


def _visible(line: Line) -> list[int]:
    lowest = SHOWN * max(finite(line.y))
    return [i for i, y in enumerate(line.y) if y is not None and y > lowest]


def _words(members: list[Figures]) -> str:
    medians, gains = (by_seed(members, figure, -1) for figure in ("median", "gain"))
    if not gains:
        return "has no weights"
    median, gain = (number(float(np.mean(values))) for values in (medians, gains))
    return f"has median {median}, log-normal by {gain} nats a weight"
