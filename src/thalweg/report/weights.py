"""The sizes of the weights, on the page."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from thalweg.measure.weights.probe import ALL
from thalweg.report.arm_style import arm_style
from thalweg.report.by_layer import WEIGHTS, Figures, arm_figures, by_seed
from thalweg.report.by_round import round_figures
from thalweg.report.charts import (
    FACET_COLUMNS,
    Axis,
    Chart,
    Facet,
    Line,
    Style,
    finite,
    log_ticks,
    padded,
)
from thalweg.report.formats import clipped, number
from thalweg.report.levels import levels
from thalweg.report.rounds import kept_text, prunings
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Panel
from thalweg.study.statistics import mean_interval

SHOWN = 0.01
"""A bin is on the axis where some arm has so large a share of its highest density."""

MOST_ARMS = 8
"""Arms side by side in one chart."""

READING = (
    "A log-normal distribution is a bell here; a normal one falls steeply on the right and slowly "
    "on the left."
)

MOMENTS = {
    "initial": ("before training", "All weights that were ever pruned count as pruned."),
    "before": (
        "just before the last pruning",
        "Weights that an earlier round has pruned are 0 by then and left out.",
    ),
}
"""When the weights that a mask keeps and prunes are looked at apart, by how the figures begin."""


def weight_charts(results: StudyResults, panel: Panel, layer: str = ALL) -> list[Chart]:
    """Return the charts of each probe that has looked at the weights: how log10|w| is distributed
    in a layer or over all, by arm, those kept and pruned apart, and round by round.

    Args:
        results: The study's results.
        panel: The panel.
        layer: Name of a weight matrix; by default all of them together.
    """
    own = results if layer == ALL else _of_layer(results, layer)
    charts = []
    for label in WEIGHTS.labels(own):
        found = [
            _by_arm(own, panel, label, layer),
            *(_parts(own, panel, label, layer, moment) for moment in MOMENTS),
            _by_round(own, panel, label, layer),
        ]
        charts += [chart for chart in found if chart is not None]
    return charts


def _of_layer(results: StudyResults, layer: str) -> StudyResults:
    """Return the results with what the probes tell of one layer alone, where there is one."""
    grids = {
        key: {
            figure: [values[own["layer"].index(layer)]]
            if isinstance(values, list) and len(values) == len(own["layer"])
            else values
            for figure, values in own.items()
        }
        for key, own in results.grids.items()
        if WEIGHTS.mark in own and layer in own["layer"]
    }
    return replace(results, grids=grids)


def _file(panel: Panel, label: str, layer: str, *parts: str) -> str:
    return slug("weights", panel.task, panel.model, label, *parts, layer if layer != ALL else None)


def _titled(text: str, panel: Panel, layer: str) -> str:
    return f"{text}, {panel.title}" if layer == ALL else f"{text} of {layer}, {panel.title}"


def _by_arm(results: StudyResults, panel: Panel, label: str, layer: str) -> Chart | None:
    members = [(arm, own) for arm in panel.arms if (own := arm_figures(results, label, arm))]
    if not members:
        return None
    lines = [_line(arm.name, arm_style(arm), own) for arm, own in members]
    words = "; ".join(f"{arm.name} {_words(own)}" for arm, own in members)
    return Chart(
        name=_file(panel, label, layer),
        title=_titled(f"{label}: sizes of the weights", panel, layer),
        description=f"Density of the decimal logarithm of |w|, by arm; {words}.",
        caption=f"Weights of {'all layers' if layer == ALL else layer} that are not 0, as a share "
        f"a decade: mean over seeds with the 95 % Student t band. {READING}",
        x=_sizes(lines),
        y=Axis("Share of the weights a decade"),
        layers=tuple(lines),
    )


def _parts(
    results: StudyResults, panel: Panel, label: str, layer: str, moment: str
) -> Chart | None:
    """Return the chart of a moment, or None where no arm has a mask, or the weights then."""
    by_arm = {}
    words = []
    for arm in panel.arms:
        figures = [f"{moment}_{part}" for part in ("kept", "pruned")]
        members = arm_figures(results, label, arm)
        if any(f"{figures[0]}_log10_counts" not in own for own in members) or not members:
            continue
        medians = [by_seed(members, f"{figure}_median", -1) for figure in figures]
        if not all(medians):
            continue  # nothing is kept, or nothing pruned
        by_arm[arm.name] = [
            _line(name.partition("_")[2], Style(index, index), members, name)
            for index, name in enumerate(figures)
        ]
        kept, pruned = (number(float(np.mean(each))) for each in medians)
        words.append(f"{arm.name} has median {kept} of those kept, {pruned} of those pruned")
    when, aside = MOMENTS[moment]
    return _side_by_side(
        by_arm,
        _file(panel, label, layer, moment),
        _titled(f"{label}: |w| {when}, kept and pruned apart", panel, layer),
        f"Density of the decimal logarithm of |w| {when}, by arm; {'; '.join(words)}.",
        "Each as a share of its own, a decade: mean over seeds with the 95 % Student t band, at "
        f"the arm's last mask. {aside}",
    )


def _by_round(results: StudyResults, panel: Panel, label: str, layer: str) -> Chart | None:
    """Return the chart of the rounds of each pruning, or None where there are none."""
    by_arm = {}
    words = []
    for pruning in levels(prunings(results, [panel])):
        rounds = [
            (each, own) for each in pruning.points if (own := round_figures(results, label, each))
        ]
        if len(rounds) < 2:
            continue
        first = rounds[0][1]
        lines = []
        if all("initial_log10_counts" in own for own in first):
            lines.append(_line("before training", Style(6, 1), first, "initial", band=False))
        for each, own in rounds:
            name = f"{kept_text(each.kept)} kept" if each.number else "dense"
            index = pruning.points.index(each)
            lines.append(_line(name, Style(index, index), own, band=False))
        by_arm[pruning.name] = lines
        medians = (f"{number(float(np.mean(by_seed(own, 'median', -1))))}" for _, own in rounds)
        words.append(f"{pruning.name} has medians {', '.join(medians)}")
    return _side_by_side(
        by_arm,
        _file(panel, label, layer, "rounds"),
        _titled(f"{label}: |w| after each round of pruning", panel, layer),
        f"Density of the decimal logarithm of |w| from the dense network on; {'; '.join(words)}.",
        f"Weights that are not 0, as a share a decade: mean over seeds. {READING}",
    )


def _side_by_side(
    by_arm: dict[str, list[Line]], name: str, title: str, description: str, caption: str
) -> Chart | None:
    """Return a chart with a small panel an arm, all with the same axes; None for no arm."""
    if not by_arm:
        return None
    shown = dict(list(by_arm.items())[:MOST_ARMS])
    lines = [line for own in shown.values() for line in own]
    highest = max(finite(end for line in lines for end in (*line.y, *line.high)))
    x, y = _sizes(lines), Axis("", limits=(0.0, 1.05 * highest))
    if len(by_arm) > MOST_ARMS:
        caption = f"{caption} The first {MOST_ARMS} of {len(by_arm)} arms."
    decades = tuple(tick for tick in x.ticks or () if math.log10(tick[0]).is_integer())
    ticks = decades if len(decades) > 1 else x.ticks  # a small panel has room for few
    facets = tuple(
        Facet(clipped(arm, 30), Axis("", True, x.limits, ticks), y, tuple(own))
        for arm, own in shown.items()
    )
    return Chart(
        name=name,
        title=title,
        description=description,
        caption=caption,
        x=Axis("|w|"),
        y=Axis("Share of the weights a decade"),
        layers=(),
        height=100 + 220 * -(-len(facets) // FACET_COLUMNS),
        facets=facets,
    )


def _line(
    label: str, style: Style, members: Sequence[Figures], moment: str = "", band: bool = True
) -> Line:
    # The open bins have no width, and no weight of a network that is of use.
    bins = np.array(members[0]["log10_bins"][1:-1], dtype=np.float64)
    widths = bins[:, 1] - bins[:, 0]
    figure = f"{moment}_log10_counts" if moment else "log10_counts"
    densities = np.array([_shares(own[figure][-1])[1:-1] for own in members]) / widths
    intervals = [mean_interval(column) for column in densities.T]
    return Line(
        label,
        style,
        (10 ** bins.mean(1)).tolist(),
        [interval.mean for interval in intervals],
        [None if i.low is None or not band else max(i.low, 0.0) for i in intervals],
        [interval.high if band else None for interval in intervals],
    )


def _shares(counts: Sequence[int]) -> NDArray[np.float64]:
    found = np.array(counts, dtype=np.float64)
    shares: NDArray[np.float64] = found / max(found.sum(), 1)
    return shares


def _sizes(lines: Sequence[Line]) -> Axis:
    """Return the axis of |w|, over all places where a line is not next to nothing."""
    ends = []
    for line in lines:
        lowest = SHOWN * max(finite(line.y))
        ends += [x for x, y in zip(line.x, line.y, strict=True) if y is not None and y > lowest]
    limits = padded(ends, True, 0.03)
    return Axis("|w|", True, limits, log_ticks(limits))


def _words(members: list[Figures]) -> str:
    medians, gains = (by_seed(members, figure, -1) for figure in ("median", "gain"))
    if not gains:
        return "has no weights"
    median, gain = (number(float(np.mean(values))) for values in (medians, gains))
    return f"has median {median}, log-normal by {gain} nats a weight"
