"""How a figure depends on the learning rate, or on another hyperparameter of the grid."""

from dataclasses import replace

from thalweg.report.charts import finite
from thalweg.report.figures import Group
from thalweg.report.formats import metric_name
from thalweg.report.sensitivity import LEARNING_RATE, arm_curves, axis_name, numeric_axes
from thalweg.report.sensitivity_charts import sensitivity_chart
from thalweg.store import Store
from thalweg.store.results import StudyResults
from thalweg.study.panels import Panel
from thalweg.ui.content import Asked, Content, View
from thalweg.ui.views.asking import offered, one
from thalweg.ui.views.panel_choices import (
    begun,
    choose_arms,
    choose_panel,
    known_panels,
    shown_arms,
)

LEAD = (
    "The figure at every grid point: mean over seeds with a 95 % paired bootstrap band. The star "
    "is the optimum, its bar and the shade the 95 % bootstrap interval of the optimum; a cross at "
    "the border marks a point at which a run diverged, which has no finite mean."
)


@begun
def show(results: StudyResults, store: Store, asked: Asked) -> Content:
    """Return the curves of a panel along one axis of its grid in one metric."""
    grouped = known_panels(results)
    every = {axis: None for panel in grouped for axis in _axes(panel)}
    panel, panel_choice = choose_panel(asked, grouped, lambda panel: bool(_axes(panel)))
    axes = _axes(panel)
    metrics = {name: None for own in grouped for name in sorted(own.metrics)}
    if not axes or not panel.metrics:
        why = (
            "No run has ended yet."
            if axes
            else "No grid of this study varies a number: give an arm several learning rates, "
            "optimizer.lr = [0.01, 0.03, 0.1], and it has a curve."
        )
        return Content(LEAD, offered(panel_choice), (why,))
    names = {axis: axis_name(axis).capitalize() for axis in axes}
    axis_choice = one(asked, "axis", "Along", names, elsewhere=every)
    options = {name: metric_name(name).capitalize() for name in sorted(panel.metrics)}
    metric_choice = one(asked, "metric", "Metric", options, panel.metric, elsewhere=metrics)
    axis, metric = axis_choice.chosen[0], metric_choice.chosen[0]
    shown, arm_choice = choose_arms(
        asked, grouped, panel, lambda arm: axis in numeric_axes(arm.points)
    )
    choices = offered(panel_choice, axis_choice, metric_choice, arm_choice)
    curves = [
        curve
        for arm in shown.arms
        if axis in numeric_axes(arm.points)
        for curve in arm_curves(arm, axis, metric)
    ]
    sentences = shown_arms(asked, arm_choice)
    if not finite(point.mean for curve in curves for point in curve.curve.points):
        why = (
            f"No grid point of these arms has a finite mean {metric_name(metric)}."
            if curves
            else f"None of these arms has points that differ in the {axis_name(axis)} alone: what "
            "was drawn at random stands among all charts, under Search."
        )
        return Content(LEAD, choices, (*sentences, why))
    told = [curve.verdict(metric) for curve in curves if len(curve.curve.points) > 1]
    told += [text for curve in curves if (text := curve.warning(metric, panel.searched))]
    chart = replace(sensitivity_chart(replace(shown, metric=metric), axis, curves), caption="")
    return Content(LEAD, choices, (*sentences, *told), (Group("", (chart,)),))


def _axes(panel: Panel) -> list[str]:
    """Return the numbers that some arm's grid varies, the learning rate first."""
    found = dict.fromkeys(axis for arm in panel.arms for axis in numeric_axes(arm.points))
    return sorted(found, key=lambda axis: axis != LEARNING_RATE)


def _varied(results: StudyResults) -> bool:
    return results.runs["axes"].n_unique() > 1


VIEW = View("learning-rates", "Learning rates", _varied, show)
