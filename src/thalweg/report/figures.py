"""Which charts a study has, and the numbers in them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from thalweg.report.against_axis import LEAD as AXIS_LEAD
from thalweg.report.against_axis import axis_charts
from thalweg.report.arm_dots import arm_dots
from thalweg.report.associations import LEAD as TICKETS_LEAD
from thalweg.report.associations import association_tables
from thalweg.report.charts import Chart
from thalweg.report.class_charts import class_charts
from thalweg.report.confusion_charts import confusion_charts
from thalweg.report.dense_and_tickets import (
    DenseAndTickets,
    dense_and_tickets,
    dense_and_tickets_tables,
)
from thalweg.report.dynamics import LEAD as DYNAMICS_LEAD
from thalweg.report.dynamics import dynamics_charts, dynamics_tables
from thalweg.report.flatness_charts import flatness_charts
from thalweg.report.formats import metric_name
from thalweg.report.learning_curves import learning_curves
from thalweg.report.measurements import LEAD as MEASURED_LEAD
from thalweg.report.measurements import measured_charts, measured_tables
from thalweg.report.recovery import recovery_charts
from thalweg.report.rounds import Pruning, prunings
from thalweg.report.rounds_section import LEAD as ROUNDS_LEAD
from thalweg.report.rounds_section import round_charts, round_tables
from thalweg.report.search import search_charts
from thalweg.report.sensitivity_charts import sensitivity_charts
from thalweg.report.sizes import LEAD as SIZES_LEAD
from thalweg.report.sizes import size_charts, size_tables
from thalweg.report.table import Table
from thalweg.report.target_section import LEAD as TARGETS_LEAD
from thalweg.report.target_section import target_charts, target_tables
from thalweg.report.targets import TargetReach, target_reaches
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Panel


@dataclass(frozen=True)
class Group:
    """Charts that belong together, with a note they share; "" for none."""

    note: str
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class Section:
    """Charts and tables under one heading, with a sentence on how to read them all."""

    title: str
    lead: str
    groups: tuple[Group, ...]
    tables: tuple[Table, ...] = ()

    @property
    def charts(self) -> tuple[Chart, ...]:
        return tuple(chart for group in self.groups for chart in group.charts)


@dataclass(frozen=True)
class _Known:
    """What the sections are made of; what only some of them need is found when asked for."""

    results: StudyResults
    panels: Sequence[Panel]

    @cached_property
    def targets(self) -> list[TargetReach]:
        return target_reaches(self.results, self.panels)

    @cached_property
    def pruned(self) -> list[Pruning]:
        return prunings(self.results, self.panels)

    @cached_property
    def tickets(self) -> list[DenseAndTickets]:
        return dense_and_tickets(self.results, self.panels)

    def each(self, charts: Callable[[Panel], Iterable[Chart]]) -> tuple[Group, ...]:
        """Return a group a panel."""
        return tuple(Group("", tuple(charts(panel))) for panel in self.panels)

    def at_points(self, charts: Callable[[Panel], Iterable[Chart]]) -> tuple[Group, ...]:
        """Return a group a panel, with a note on which grid points its charts are of."""
        return tuple(Group(_selected(panel), tuple(charts(panel))) for panel in self.panels)

    def together(self, charts: Callable[[Panel], Iterable[Chart]]) -> tuple[Group, ...]:
        """Return one group of the charts of all panels."""
        return (Group("", tuple(chart for panel in self.panels for chart in charts(panel))),)


def _no_tables(_: _Known) -> Iterable[Table]:
    return ()


@dataclass(frozen=True)
class _Part:
    """How a section is made."""

    lead: str
    groups: Callable[[_Known], tuple[Group, ...]]
    tables: Callable[[_Known], Iterable[Table]] = _no_tables


_PARTS = {
    "Final test figures": _Part(
        "The large mark is the mean over seeds at the arm's selected point, the bar its 95 % "
        "Student t interval; every small mark is one seed.",
        lambda known: known.together(lambda p: [chart] if (chart := final_chart(p)) else []),
    ),
    "Pruning, round by round": _Part(
        ROUNDS_LEAD,
        lambda known: known.at_points(lambda p: round_charts(p, known.pruned, known.panels)),
        lambda known: round_tables(known.results, known.pruned),
    ),
    "Weights kept": _Part(
        "Final figures against the percentage of the weights that is nonzero: mean over seeds "
        "with the 95 % Student t interval. Dense networks lie across.",
        lambda known: tuple(
            Group(_selected(p), tuple(recovery_charts(p, [], [p.task, p.model])))
            for p in known.panels
            if all(pruning.panel is not p for pruning in known.pruned)
        ),
    ),
    "Size of the network": _Part(
        SIZES_LEAD,
        lambda known: known.each(size_charts),
        lambda known: size_tables(known.panels),
    ),
    "Measurements": _Part(
        MEASURED_LEAD,
        lambda known: known.at_points(partial(measured_charts, known.results)),
        lambda known: measured_tables(known.results, known.panels),
    ),
    "Dense networks and their tickets": _Part(
        TICKETS_LEAD,
        lambda known: (Group("", tuple(flatness_charts(known.tickets))),),
        lambda known: [
            *dense_and_tickets_tables(known.tickets),
            *association_tables(known.tickets),
        ],
    ),
    "Measurements against the grid": _Part(
        AXIS_LEAD,
        lambda known: known.each(partial(axis_charts, known.results)),
    ),
    "While training": _Part(
        DYNAMICS_LEAD,
        lambda known: known.at_points(partial(dynamics_charts, known.results)),
        lambda known: dynamics_tables(known.results, known.panels),
    ),
    "Learning curves": _Part(
        "Mean over seeds at the arm's selected point, with the 95 % Student t band. A line "
        "ends where a run diverged. Epoch 0 is the initialisation; it may lie outside the "
        "axis.",
        lambda known: known.at_points(partial(learning_curves, known.results)),
    ),
    "Cost to reach": _Part(
        TARGETS_LEAD,
        lambda known: (Group("", tuple(target_charts(known.targets))),),
        lambda known: target_tables(known.targets),
    ),
    "Sensitivity to hyperparameters": _Part(
        "The selection metric at every grid point: mean over seeds with a 95 % paired "
        "bootstrap band. The star is the optimum, its bar and the shade the 95 % bootstrap "
        "interval of the optimum; a cross at the border marks a point at which a run "
        "diverged, which has no finite mean.",
        lambda known: known.together(sensitivity_charts),
    ),
    "Search": _Part(
        "What the draws gave by the selection metric. The star is the selected draw.",
        lambda known: known.together(partial(search_charts, known.results)),
    ),
    "Accuracy by class": _Part(
        "Share of each class's test examples predicted right: mean over seeds with the 95 % "
        "Student t interval, at the selected points.",
        lambda known: known.together(partial(class_charts, known.results)),
    ),
    "Confusion matrices": _Part(
        "Rows are true classes, columns predicted ones. Cells show the share of the row in "
        "per cent, summed over the seeds of the selected point.",
        lambda known: known.each(partial(confusion_charts, known.results)),
    ),
}

SECTIONS = tuple(_PARTS)
"""Titles of all sections, in order."""


def sections(
    results: StudyResults, panels: Sequence[Panel], titles: Iterable[str] = SECTIONS
) -> list[Section]:
    """Return the sections that have a chart or a table.

    File names are unique: equal stems get a number.

    Args:
        results: The study's results.
        panels: Its panels.
        titles: Sections to make, of `SECTIONS`.
    """
    known = _Known(results, panels)
    found = [
        Section(title, part.lead, part.groups(known), tuple(part.tables(known)))
        for title in titles
        if (part := _PARTS[title])
    ]
    return _unique([section for section in found if section.charts or section.tables])


def final_chart(panel: Panel) -> Chart | None:
    """Return the test figures of the arms at their selected points, seed by seed."""
    metric = "test_accuracy" if "test_accuracy" in panel.metrics else "test_loss"
    return arm_dots(
        panel,
        metric,
        lambda arm: arm.selected.values(metric) if arm.selected else [],
        slug("final", panel.task, panel.model, metric),
        f"Final {metric_name(metric)}: {panel.title}",
    )


def _selected(panel: Panel) -> str:
    """Which grid points the curves of a panel belong to."""
    chosen = [f"{arm.name} at {arm.selected.label}" for arm in panel.arms if arm.selected]
    if not any(arm.selected and arm.selected.label for arm in panel.arms):
        return ""
    return f"{panel.title}: {'; '.join(text.removesuffix(' at ') for text in chosen)}."


def _unique(found: list[Section]) -> list[Section]:
    taken: set[str] = set()

    def renamed(chart: Chart) -> Chart:
        name, copy = chart.name, 1
        while name in taken:
            copy += 1
            name = f"{chart.name}-{copy}"
        taken.add(name)
        return replace(chart, name=name)

    return [
        replace(
            section,
            groups=tuple(
                replace(group, charts=tuple(map(renamed, group.charts)))
                for group in section.groups
                if group.charts
            ),
        )
        for section in found
    ]
