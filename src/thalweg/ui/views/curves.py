"""Learning curves: figures against epochs, steps or cost."""

from collections.abc import Sequence

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Style, finite
from thalweg.report.figures import Group
from thalweg.report.formats import metric_name, plural
from thalweg.report.learning_curves import ALONG, CURVES, learning_chart, learning_curve
from thalweg.store import Store
from thalweg.store.results import StudyResults
from thalweg.study.panels import Panel, Point
from thalweg.ui.content import Asked, Choice, Content, View
from thalweg.ui.views.asking import offered, one
from thalweg.ui.views.panel_choices import (
    begun,
    choose_arms,
    choose_panel,
    known_panels,
    rank,
    shown_arms,
)

LEAD = (
    "Mean over seeds with the 95 % Student t band. A line ends where a run diverged; epoch 0 is "
    "the initialisation and may lie outside the axis."
)

MOST_LINES = 40
"""Curves in one chart: those of the points that did best."""

SELECTED, ALL = "selected", "all"


@begun
def show(results: StudyResults, store: Store, asked: Asked) -> Content:
    """Return the learning curves of a panel in one metric."""
    grouped = known_panels(results)
    panel, panel_choice = choose_panel(asked, grouped)
    metric_choice = _metric(results, asked)
    along_choice = one(asked, "x", "Against", _along(results), elsewhere=ALONG)
    shown, arm_choice = choose_arms(asked, grouped, panel)
    points = {SELECTED: "the selected", ALL: "all"}
    point_choice = one(asked, "points", "Grid points", points)
    metric, along, which = (c.chosen[0] for c in (metric_choice, along_choice, point_choice))
    several = any(len(arm.points) > 1 for own in grouped for arm in own.arms)
    choices = offered(
        *(panel_choice, metric_choice, along_choice),
        *((point_choice,) if several else ()),
        arm_choice,
    )
    found = _points(shown, which)
    drawn = [found[i] for i in sorted(_best(shown, found))]
    lines = [learning_curve(results, p.runs, metric, name, s, along) for p, name, s in drawn]
    sentences = list(shown_arms(asked, arm_choice))
    if len(found) > len(drawn):
        sentences.append(
            f"The {len(drawn)} grid points of {len(found)} with the best mean "
            f"{metric_name(panel.metric)} are drawn."
        )
    left = sum(arm.count("missing") for arm in shown.arms)
    if left:
        sentences.append(f"{plural(left, 'run')} of these arms have not ended yet.")
    if not any(finite(line.y) for line in lines):
        sentences.append(f"No run of these arms has ended with a finite {metric_name(metric)}.")
        return Content(LEAD, choices, tuple(sentences))
    chart = learning_chart(panel, metric, lines, along)
    return Content(LEAD, choices, tuple(sentences), (Group("", (chart,)),))


def _metric(results: StudyResults, asked: Asked) -> Choice:
    recorded = [
        name for name in CURVES if results.metrics[name].null_count() < len(results.metrics)
    ]
    options = {name: metric_name(name).capitalize() for name in recorded or CURVES}
    return one(asked, "metric", "Metric", options, elsewhere=CURVES)


def _along(results: StudyResults) -> dict[str, str]:
    known = results.metrics.select(*ALONG).null_count().row(0, named=True)
    return {
        name: title
        for name, title in ALONG.items()
        if name == "epoch" or known[name] < len(results.metrics)
    }


def _points(panel: Panel, which: str) -> list[tuple[Point, str, Style]]:
    """Return grid points, each with the name and the look of its curve."""
    if which == SELECTED:
        return [(arm.selected, arm.name, arm_style(arm)) for arm in panel.arms if arm.selected]
    return [
        (
            point,
            f"{arm.name}, {point.label}" if point.label else arm.name,
            Style(arm.number, arm.number + number),
        )
        for arm in panel.arms
        for number, point in enumerate(arm.points)
    ]


def _best(panel: Panel, found: Sequence[tuple[Point, str, Style]]) -> list[int]:
    """Return the places of the points that did best, as many as are drawn."""
    return sorted(range(len(found)), key=lambda i: rank(panel, found[i][0]))[:MOST_LINES]


VIEW = View("curves", "Learning curves", lambda _: True, show)
