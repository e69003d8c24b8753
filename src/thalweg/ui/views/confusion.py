"""Results by class: which are predicted right, and what they are taken for."""

from thalweg.report.class_charts import class_charts
from thalweg.report.classes import arm_classes
from thalweg.report.confusion_charts import confusion_charts, difference_chart
from thalweg.report.figures import Group
from thalweg.report.tables import class_table
from thalweg.store import Store
from thalweg.store.results import StudyResults
from thalweg.study.panels import Arm, Panel
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
    "Test examples by class, summed over the seeds of each arm's selected point. Rows are true "
    "classes, columns predicted ones; cells show the share of the row in per cent."
)

BY_CLASS = (
    "Share of each class's test examples predicted right: mean over seeds with the 95 % Student t "
    "interval."
)

NONE = "none"

MOST_ARMS = 4
"""Arms that are shown if none are asked for."""


@begun
def show(results: StudyResults, store: Store, asked: Asked) -> Content:
    """Return accuracies by class and confusion matrices of the arms of a panel."""
    grouped = known_panels(results)
    panel, panel_choice = choose_panel(asked, grouped, lambda p: bool(arm_classes(results, p)))
    known = {each.arm.name: each for each in arm_classes(results, panel)}

    def able(arm: Arm) -> bool:
        return arm.name in known

    shown, arm_choice = choose_arms(asked, grouped, panel, able, MOST_ARMS)
    against = {NONE: "nothing"} | {arm.name: arm.name for arm in panel.arms}
    every = {arm.name for own in grouped for arm in own.arms}
    against_choice = one(asked, "against", "Compared with", against, elsewhere=every)
    choices = offered(panel_choice, arm_choice, against_choice)
    matrices = confusion_charts(results, shown)
    if not matrices:
        return Content(LEAD, choices, (_why_not(results, shown),))
    groups = [Group(BY_CLASS, tuple(class_charts(results, shown)))]
    sentences = list(shown_arms(asked, arm_choice))
    base = against_choice.chosen[0]
    if base in known:
        differences = tuple(
            difference_chart(panel, known[arm.name], known[base])
            for arm in shown.arms
            if arm.name in known and arm.name != base
        )
        groups.append(Group(f"Less the confusion matrix of {base}.", differences))
    elif base != NONE:
        sentences.append(f"{base} has no test examples by class to compare with.")
    groups.append(Group("", tuple(matrices)))
    return Content(
        LEAD,
        choices,
        tuple(sentences),
        tuple(group for group in groups if group.charts),
        (class_table(results, [shown]),),
    )


def _why_not(results: StudyResults, panel: Panel) -> str:
    if panel.task in results.class_names:
        return "None of these arms has a selected point whose runs have ended."
    if any(arm.count("done") for arm in panel.arms):
        return f"The task {panel.task} has no classes, or its runs recorded none."
    return "No run has ended yet."


VIEW = View("confusion", "Confusion", lambda results: not results.confusion.is_empty(), show)
