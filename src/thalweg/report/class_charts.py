"""Accuracies by class of the arms of a panel, as a chart."""

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Points, name_ticks, padded
from thalweg.report.classes import arm_classes
from thalweg.report.formats import clipped, metric_interval
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Panel

TALLEST = 6000
"""Height of a chart, in CSS pixels, beyond which it is crowded rather than made taller."""


def class_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return the accuracies by class of all arms in one chart, if the task has classes."""
    members = arm_classes(results, panel)
    if not members:
        return []
    names = [clipped(name, 20) for name in members[0].names]
    spread = 0.6 / len(members)
    layers = []
    shown: list[float] = []
    for index, member in enumerate(members):
        offset = spread * ((len(members) - 1) / 2 - index)
        known = [(c, i) for c, i in enumerate(member.accuracies) if i is not None]
        bounds = [
            None if i.low is None or i.high is None else (100 * i.low, 100 * i.high)
            for _, i in known
        ]
        layers.append(
            Points(
                member.arm.name,
                arm_style(member.arm),
                [100 * i.mean for _, i in known],
                [c - offset for c, _ in known],
                "dot",
                [
                    f"{clipped(member.arm.name)}, {clipped(member.names[c])}: "
                    + metric_interval("test_accuracy", i.mean, i.half_width)
                    for c, i in known
                ],
                x_interval=bounds,
            )
        )
        shown += layers[-1].x
        shown += [end for bound in bounds if bound for end in bound]
    low, high = padded([min(max(v, 0.0), 100.0) for v in shown])
    return [
        Chart(
            name=slug("classes", panel.task, panel.model),
            title=f"Accuracy by class: {panel.title}",
            description=f"Test accuracy of each class on {panel.title}, by arm; the table "
            "of accuracies by class holds the numbers.",
            caption="",
            x=Axis("Test accuracy of the class (%)", limits=(low, high)),
            y=Axis("", limits=(len(names) - 0.4, -0.6), ticks=name_ticks(names, 60)),
            layers=tuple(layers),
            height=min(130 + len(names) * (16 + 9 * len(members)), TALLEST),
        )
    ]
