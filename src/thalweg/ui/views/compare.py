"""Arms compared two by two at equal seeds, with the verdict in words."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from thalweg.errors import InputError
from thalweg.report.arm_dots import arm_dots
from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Chart
from thalweg.report.comparisons import Comparisons, compare_arms
from thalweg.report.figures import Group
from thalweg.report.formats import metric_name
from thalweg.report.measured_metric import measured_metrics, with_measured
from thalweg.report.pair_dots import pair_dots
from thalweg.report.table import Table
from thalweg.store import Store
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Arm, Panel, Point
from thalweg.ui.content import Asked, Choice, Content, View
from thalweg.ui.views.asking import offered, one, several
from thalweg.ui.views.panel_choices import begun, known_panels, rank, shown_arms

LEAD = (
    "Differences at equal seeds, which share initial weights and data order. A verdict counts all "
    "pairs that are compared together, and resolves at a p value of 0.05; the 95 % interval is of "
    "its pair alone."
)

MOST_ARMS = 6
"""Arms that are compared if none are asked for: fifteen pairs."""

MOST_SENTENCES = 20
"""Pairs up to which each has its verdict in words; all are in the table."""

ALL, SELECTED = "all", "selected"


@begun
def show(results: StudyResults, store: Store, asked: Asked) -> Content:
    """Return the comparison of some arms in one metric."""
    grouped = known_panels(results)
    scope_choice = _scope(asked, grouped)
    scope = [p for p in grouped if scope_choice.chosen[0] in (p.title, ALL)]
    metric_choice = _metric(results, asked, grouped, scope)
    if metric_choice is None:
        return Content(LEAD, offered(scope_choice), ("No run has ended yet.",))
    metric = metric_choice.chosen[0]
    point_choice = _points(asked, grouped, scope)
    at = point_choice.chosen[0]
    scope = [_at_point(panel, at) for panel in scope]
    arm_choice = _arms(asked, grouped, scope)
    choices = offered(scope_choice, metric_choice, point_choice, arm_choice)
    names = arm_choice.chosen
    if len(names) < 2:
        one_arm = f"{names[0]} is one arm, and it takes two to compare."
        return Content(LEAD, choices, (one_arm,))
    found = _compared(results, scope, names, metric)
    if isinstance(found, str):
        return Content(LEAD, choices, (found,))
    verdicts = found.verdict.splitlines()
    if len(verdicts) > MOST_SENTENCES:
        resolved = sum(pair.resolved for pair in found.pairs)
        verdicts = [f"{resolved} of {len(verdicts)} pairs are resolved; the table has them all"]
    sentences = (*shown_arms(asked, arm_choice), *(f"{text}." for text in verdicts), *found.notes)
    titles = ", ".join(panel.title for panel in scope) if len(scope) == 1 else "all panels"
    styles = {arm.name: arm_style(arm) for panel in scope for arm in panel.arms}
    differences = pair_dots(found.pairs, metric, titles, styles, [p.title for p in scope[:1]])
    groups = (
        Group("", (differences,) if differences else ()),
        Group("", tuple(c for p in scope if (c := _dots(results, p, metric, names)))),
    )
    shown = tuple(group for group in groups if group.charts)
    return Content(LEAD, choices, sentences, shown, _tables(found))


def _scope(asked: Asked, grouped: Sequence[Panel]) -> Choice:
    able = [panel for panel in grouped if len(panel.arms) > 1]
    options = {panel.title: panel.title for panel in able}
    if len(grouped) > 1 or not able:
        options[ALL] = "all of them"
    every = [panel.title for panel in grouped]
    return one(asked, "panel", "Task and model", options, elsewhere=every)


def _metric(
    results: StudyResults, asked: Asked, grouped: Sequence[Panel], scope: Sequence[Panel]
) -> Choice | None:
    """Return the choice of a metric that some run has; None where none has any."""
    known = {name: None for panel in scope for name in sorted(panel.metrics)}
    if not known:
        return None
    measured = [name for panel in scope for name in measured_metrics(results, panel)]
    every = {name for panel in grouped for name in panel.metrics}
    every.update(name for panel in grouped for name in measured_metrics(results, panel))
    default = next((name for name in ("test_accuracy", "test_loss") if name in known), None)
    options = {name: metric_name(name).capitalize() for name in known}
    options |= {name: metric_name(name) for name in measured}
    return one(asked, "metric", "Metric", options, default, elsewhere=every)


def _points(asked: Asked, grouped: Sequence[Panel], scope: Sequence[Panel]) -> Choice:
    """Return the choice of a grid point: that which each arm's results select, or one that several
    arms have.
    """
    labels = [p.label for panel in scope for arm in panel.arms for p in arm.points]
    shared = [label for label in dict.fromkeys(labels) if label and labels.count(label) > 1]
    options = {SELECTED: "the selected of each arm"} | {label: label for label in shared}
    every = {p.label for panel in grouped for arm in panel.arms for p in arm.points}
    return one(asked, "point", "Grid point", options, elsewhere=every)


def _arms(asked: Asked, grouped: Sequence[Panel], scope: Sequence[Panel]) -> Choice:
    ranked = sorted(
        ((rank(panel, arm.selected), arm.name) for panel in scope for arm in panel.arms),
        key=lambda each: each[0],
    )
    default = list(dict.fromkeys(name for _, name in ranked))[:MOST_ARMS]
    options = {arm.name: arm.name for panel in scope for arm in panel.arms}
    every = {arm.name for panel in grouped for arm in panel.arms}
    return several(asked, "arm", "Arms", options, default, elsewhere=every)


def _at_point(panel: Panel, label: str) -> Panel:
    """Return the panel with the arms that have a grid point, which counts as the selected."""
    if label == SELECTED:
        return panel

    def at(arm: Arm) -> Point | None:
        return next((point for point in arm.points if point.label == label), None)

    arms = [(arm, point) for arm in panel.arms if (point := at(arm)) is not None]
    return replace(panel, arms=tuple(replace(arm, points=(p,), selected=p) for arm, p in arms))


def _compared(
    results: StudyResults, scope: Sequence[Panel], names: Sequence[str], metric: str
) -> Comparisons | str:
    """Return the comparison of arms, or why there is none."""
    runs = [run["run"] for p in scope for arm in p.arms for o in arm.points for run in o.runs]
    arms = [arm.name for panel in scope for arm in panel.arms]
    own = results.runs.filter(pl.col("run").is_in(runs), pl.col("arm").is_in(arms))
    try:
        return compare_arms(replace(results, runs=own), names, metric)
    except InputError as error:  # nothing was asked for that is not there: they share no seed
        return f"These arms cannot be compared: {str(error).removeprefix('compare: ')}."


def _dots(results: StudyResults, panel: Panel, metric: str, names: Sequence[str]) -> Chart | None:
    arms = tuple(arm for arm in panel.arms if arm.name in names)
    (known,) = with_measured(results, [replace(panel, arms=arms)], metric)
    return arm_dots(
        known,
        metric,
        lambda arm: arm.selected.values(metric) if arm.selected else [],
        slug("compared", panel.task, panel.model, metric),
        f"{metric_name(metric).capitalize()}, seed by seed: {panel.title}",
    )


def _tables(found: Comparisons) -> tuple[Table, ...]:
    pairs, arms = found.rows(), found.arm_rows()
    note = (
        "First less second at equal seeds; p values are adjusted by Holm's method for all pairs "
        "compared together. BCa is a bootstrap interval, too narrow with few seeds."
    )
    return (
        _table("comparison", "Pairs", note, found.frame(), pairs),
        _table(
            "compared-arms",
            "Arms",
            "Interquartile mean with its 95 % bootstrap interval, over the runs that are compared.",
            pl.DataFrame(found.records()["arms"], infer_schema_length=None),
            arms,
        ),
    )


def _table(
    name: str, title: str, note: str, frame: pl.DataFrame, rows: Sequence[dict[str, str]]
) -> Table:
    header = tuple(rows[0])
    texts = ("pair", "arm", "point", "verdict")
    return Table(
        name,
        title,
        note,
        frame,
        header,
        tuple(tuple(row.values()) for row in rows),
        tuple(heading not in texts for heading in header),
    )


def _several_arms(results: StudyResults) -> bool:
    return results.runs["arm"].n_unique() > 1


VIEW = View("compare", "Comparison", _several_arms, show)
