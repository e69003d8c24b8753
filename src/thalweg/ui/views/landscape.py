"""The loss around networks: over planes, as contours and in space, and along lines."""

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from thalweg.report.figures import Group
from thalweg.report.landscapes import landscape_charts, landscape_labels
from thalweg.report.measurements import LINE, line_charts
from thalweg.store import Store
from thalweg.store.results import StudyResults
from thalweg.study.panels import Arm, Panel
from thalweg.ui.content import Asked, Content, View
from thalweg.ui.views.asking import offered, one
from thalweg.ui.views.panel_choices import (
    begun,
    choose_arms,
    choose_panel,
    choose_seed,
    known_panels,
    selected_seeds,
    shown_arms,
    with_seeds,
)

LEAD = (
    "The loss at weights around those that a run of the arm's selected point ended with, on a "
    "logarithmic scale. Drag a surface to turn it."
)

LINES = "The loss along a line through the weights: mean over seeds with the 95 % Student t band."

NONE = (
    "No run has been looked around. Ask for it in the study file, and run it again: what is "
    'trained is not trained anew. [[probes]] with name = "landscape" and runs = "selected" takes '
    'the loss on a plane, with path = 9 the training\'s way in it; name = "line" takes it along a '
    "line."
)


@begun
def show(results: StudyResults, store: Store, asked: Asked) -> Content:
    """Return what one probe has found around the networks of a panel."""
    grouped = known_panels(results)
    measured = _measured(results)
    if not measured:
        return Content("", sentences=(NONE,))

    def runs(arm: Arm) -> list[str]:
        return [] if arm.selected is None else [run["run"] for run in arm.selected.runs]

    def labels_of(panel: Panel) -> list[str]:
        own = {run for arm in panel.arms for run in runs(arm)}
        return [label for label, found in measured.items() if not own.isdisjoint(found)]

    panel, panel_choice = choose_panel(asked, grouped, lambda panel: bool(labels_of(panel)))
    labels = labels_of(panel)
    if not labels:
        return Content(
            LEAD, offered(panel_choice), ("None of the arms' selected points was looked around.",)
        )
    options = {label: label for label in labels}
    label_choice = one(asked, "probe", "Landscape", options, elsewhere=measured)
    label = label_choice.chosen[0]
    shown, arm_choice = choose_arms(
        asked, grouped, panel, lambda arm: not measured[label].isdisjoint(runs(arm))
    )
    own = replace(results, grids={k: v for k, v in results.grids.items() if k[1] == label})
    if label not in landscape_labels(results):
        lines = line_charts(replace(own, probes=own.probes.filter(probe=label)), shown)
        choices = offered(panel_choice, label_choice, arm_choice)
        return Content(LINES, choices, shown_arms(asked, arm_choice), (Group("", tuple(lines)),))
    seeds = selected_seeds(shown, lambda run: run["run"] in measured[label])
    seed, seed_choice = choose_seed(asked, results, seeds)
    charts = landscape_charts(own, with_seeds(shown, [seed]))
    surfaces = tuple(chart for chart in charts if chart.z is not None)
    planes = tuple(chart for chart in charts if chart.z is None)
    groups = (Group("", surfaces), Group("", planes))
    choices = offered(panel_choice, label_choice, arm_choice, seed_choice)
    return Content(LEAD, choices, shown_arms(asked, arm_choice), groups)


def _measured(results: StudyResults) -> Mapping[str, set[str]]:
    """Return the runs that each probe has looked around, by label: planes, then lines."""
    found: dict[str, set[str]] = {label: set() for label in landscape_labels(results)}
    for run, label in results.grids:
        if label in found:
            found[label].add(run)
    lines = results.probes.filter(pl.col("figure").is_in(LINE))
    for label, run in lines.select("probe", "run").unique(maintain_order=True).iter_rows():
        if label not in landscape_labels(results):
            found.setdefault(label, set()).add(run)
    return found


VIEW = View("landscape", "Landscape", lambda _: True, show)
