"""Confusion matrices of the arms of a panel, as charts."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from thalweg.report.charts import FACET_COLUMNS, Axis, Chart, Facet, Heatmap, name_ticks
from thalweg.report.classes import ArmClasses, arm_classes
from thalweg.report.formats import clipped, percent
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Panel

MOST_WHOLE = 4
"""Arms of a panel up to which each has a chart, with numbers in the cells."""

FACETS = 8
"""Small matrices in a chart, where there are more."""


def confusion_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one confusion matrix an arm; of many arms, `FACETS` small ones a chart."""
    members = arm_classes(results, panel)
    if len(members) <= MOST_WHOLE:
        return [_confusion_chart(panel, member) for member in members]
    pages = [members[i : i + FACETS] for i in range(0, len(members), FACETS)]
    return [_confusions_chart(panel, page, k, len(pages)) for k, page in enumerate(pages, 1)]


def _confusion_chart(panel: Panel, member: ArmClasses) -> Chart:
    pane, worst = _confusion_pane(member, numbers=True)
    return Chart(
        name=slug("confusion", panel.task, panel.model, member.arm.name),
        title=f"Confusion matrix of {pane.title}: {panel.title}",
        description=f"Confusion matrix of {member.arm.name} on {panel.title}. {worst}",
        caption=worst,
        x=pane.x,
        y=pane.y,
        layers=pane.layers,
        height=120 + 30 * min(max(len(member.names), 5), 20),
    )


def difference_chart(panel: Panel, member: ArmClasses, base: ArmClasses) -> Chart:
    """Return an arm's confusion matrix less another's: differences of the shares of the rows."""
    shares = _shares(member) - _shares(base)
    names = [clipped(name, 14) for name in member.names]
    ticks = name_ticks(names)
    first, last = -0.5, len(names) - 0.5
    right = np.diagonal(shares)
    best, worst = int(np.nanargmax(right)), int(np.nanargmin(right))
    told = (
        f"{member.arm.name} gains most on {member.names[best]} ({_points(right[best])}), "
        f"and least on {member.names[worst]} ({_points(right[worst])})."
    )
    known = [[None if math.isnan(v) else v for v in row] for row in shares.tolist()]
    hover = [
        [
            f"true {true}, predicted {predicted}" + ("" if share is None else f": {_points(share)}")
            for predicted, share in zip(member.names, own, strict=True)
        ]
        for true, own in zip(member.names, known, strict=True)
    ]
    largest = max((abs(v) for row in known for v in row if v is not None), default=0.0)
    return Chart(
        name=slug("confusion-difference", panel.task, panel.model, member.arm.name, base.arm.name),
        title=f"{member.arm.name} less {base.arm.name}: {panel.title}",
        description=f"Confusion matrix of {member.arm.name} less that of {base.arm.name} on "
        f"{panel.title}. {told}",
        caption=f"Blue is more often than with {base.arm.name}, orange less often; the deepest "
        f"colour is {100 * largest:.3g} points. {told}",
        x=Axis("Predicted class", limits=(first, last), ticks=ticks),
        y=Axis("True class", limits=(last, first), ticks=ticks),
        layers=(Heatmap(known, hover, largest=largest or 1.0, signed=True),),
        height=120 + 30 * min(max(len(names), 5), 20),
    )


def _points(share: float) -> str:
    return f"{100 * share:+.2f} points".replace("-", "−")


def _shares(member: ArmClasses) -> NDArray[np.float64]:
    """Return the share of each row; NaN in a row without examples."""
    totals = member.counts.sum(axis=1, keepdims=True)
    blank = np.full(member.counts.shape, np.nan)
    found: NDArray[np.float64] = np.divide(member.counts, totals, out=blank, where=totals > 0)
    return found


def _confusions_chart(
    panel: Panel, members: Sequence[ArmClasses], number: int, charts: int
) -> Chart:
    panes = [_confusion_pane(member, numbers=False) for member in members]
    worst = [
        f"{member.arm.name}: {told[0].lower()}{told[1:]}"
        for member, (_, told) in zip(members, panes, strict=True)
    ]
    height = 80 + 22 * min(max(len(members[0].names), 5), 20)
    lowest = len(panes) - FACET_COLUMNS
    facets = tuple(
        replace(pane, x=_named(pane.x, k >= lowest), y=_named(pane.y, k % FACET_COLUMNS == 0))
        for k, (pane, _) in enumerate(panes)
    )
    return Chart(
        name=slug("confusion", panel.task, panel.model, str(number)),
        title=f"Confusion matrices: {panel.title}" + (f", {number} of {charts}" * (charts > 1)),
        description=f"Confusion matrices of {len(members)} arms on {panel.title}. "
        + " ".join(worst),
        caption="The darker, the larger the share.",
        x=panes[0][0].x,
        y=panes[0][0].y,
        layers=(),
        height=80 + height * math.ceil(len(panes) / FACET_COLUMNS),
        facets=facets,
    )


def _confusion_pane(member: ArmClasses, numbers: bool) -> tuple[Facet, str]:
    """Return an arm's matrix and, in a sentence, its most frequent confusion."""
    shares = _shares(member)
    wrong = member.counts.copy()
    np.fill_diagonal(wrong, 0)
    true, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
    worst = (
        f"Most frequent confusion: {member.names[true]} taken for {member.names[predicted]}, "
        f"{percent(float(shares[true, predicted]))} % of the class."
        if wrong.any()
        else "No example was confused."
    )
    known = [[None if math.isnan(v) else v for v in row] for row in shares.tolist()]
    hover = [
        [
            f"true {true}, predicted {predicted}: {count:,} examples"
            + ("" if share is None else f", {percent(share)} % of the row")
            for predicted, count, share in zip(member.names, counts, own, strict=True)
        ]
        for true, counts, own in zip(member.names, member.counts.tolist(), known, strict=True)
    ]
    names = [clipped(name, 14) for name in member.names]
    ticks = name_ticks(names)
    first, last = -0.5, len(names) - 0.5
    point = member.arm.selected
    label = f" ({clipped(point.label)})" if point and point.label else ""
    pane = Facet(
        f"{member.arm.name}{label}",
        Axis("Predicted class", limits=(first, last), ticks=ticks),
        Axis("True class", limits=(last, first), ticks=ticks),
        (Heatmap(known, hover, numbers),),
    )
    return pane, worst


def _named(axis: Axis, outer: bool) -> Axis:
    """Return the axis of a small panel, with the classes' names if it is at the chart's border."""
    return replace(axis, title="", ticks=axis.ticks if outer else ())
