"""Which charts a study has, and the numbers in them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from thalweg.report.against_axis import LEAD as AXIS_LEAD
from thalweg.report.against_axis import axis_charts
from thalweg.report.arm_dots import arm_dots
from thalweg.report.arm_style import arm_style
from thalweg.report.associations import LEAD as TICKETS_LEAD
from thalweg.report.associations import association_tables
from thalweg.report.charts import (
    Axis,
    Chart,
    Layer,
    Line,
    Number,
    Points,
    Shade,
    cut,
    finite,
    grid_ticks,
    log_ticks,
    name_ticks,
    padded,
)
from thalweg.report.classes import arm_classes
from thalweg.report.confusion_charts import confusion_charts
from thalweg.report.dense_and_tickets import dense_and_tickets, dense_and_tickets_tables
from thalweg.report.dynamics import LEAD as DYNAMICS_LEAD
from thalweg.report.dynamics import dynamics_charts, dynamics_tables
from thalweg.report.flatness_charts import flatness_charts
from thalweg.report.focus import beyond_text, outlying
from thalweg.report.formats import (
    axis_title,
    clipped,
    metric_interval,
    metric_name,
    metric_value,
    number,
)
from thalweg.report.measurements import LEAD as MEASURED_LEAD
from thalweg.report.measurements import measured_charts, measured_tables
from thalweg.report.recovery import recovery_charts
from thalweg.report.rounds import prunings
from thalweg.report.rounds_section import LEAD as ROUNDS_LEAD
from thalweg.report.rounds_section import round_charts, round_tables
from thalweg.report.search import search_charts
from thalweg.report.sensitivity import LEARNING_RATE, Sensitivity, axis_name, sensitivities
from thalweg.report.sizes import LEAD as SIZES_LEAD
from thalweg.report.sizes import size_charts, size_tables
from thalweg.report.table import Table
from thalweg.report.target_section import LEAD, target_charts, target_tables
from thalweg.report.targets import target_reaches
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Arm, Panel
from thalweg.study.statistics import mean_interval

CURVES = ("test_accuracy", "test_loss", "validation_accuracy", "validation_loss", "train_loss")

TALLEST = 6000
"""Height of a chart, in CSS pixels, beyond which it is crowded rather than made taller."""


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


def sections(results: StudyResults, panels: Sequence[Panel]) -> list[Section]:
    """Return the sections that have a chart or a table.

    File names are unique: equal stems get a number.
    """
    targets = target_reaches(results, panels)
    pruned = prunings(results, panels)
    tickets = dense_and_tickets(results, panels)
    found = [
        Section(
            "Final test figures",
            "The large mark is the mean over seeds at the arm's selected point, the bar its 95 % "
            "Student t interval; every small mark is one seed.",
            (Group("", tuple(chart for p in panels if (chart := final_chart(p)))),),
        ),
        Section(
            "Pruning, round by round",
            ROUNDS_LEAD,
            tuple(Group(_selected(p), tuple(round_charts(p, pruned, panels))) for p in panels),
            tuple(round_tables(results, pruned)),
        ),
        Section(
            "Weights kept",
            "Final figures against the percentage of the weights that is nonzero: mean over seeds "
            "with the 95 % Student t interval. Dense networks lie across.",
            tuple(
                Group(_selected(p), tuple(recovery_charts(p, [], [p.task, p.model])))
                for p in panels
                if all(pruning.panel is not p for pruning in pruned)
            ),
        ),
        Section(
            "Size of the network",
            SIZES_LEAD,
            tuple(Group("", tuple(size_charts(p))) for p in panels),
            tuple(size_tables(panels)),
        ),
        Section(
            "Measurements",
            MEASURED_LEAD,
            tuple(Group(_selected(p), tuple(measured_charts(results, p))) for p in panels),
            tuple(measured_tables(results, panels)),
        ),
        Section(
            "Dense networks and their tickets",
            TICKETS_LEAD,
            (Group("", tuple(flatness_charts(tickets))),),
            (*dense_and_tickets_tables(tickets), *association_tables(tickets)),
        ),
        Section(
            "Measurements against the grid",
            AXIS_LEAD,
            tuple(Group("", tuple(axis_charts(results, p))) for p in panels),
        ),
        Section(
            "While training",
            DYNAMICS_LEAD,
            tuple(Group(_selected(p), tuple(dynamics_charts(results, p))) for p in panels),
            tuple(dynamics_tables(results, panels)),
        ),
        Section(
            "Learning curves",
            "Mean over seeds at the arm's selected point, with the 95 % Student t band. A line "
            "ends where a run diverged. Epoch 0 is the initialisation; it may lie outside the "
            "axis.",
            tuple(Group(_selected(p), tuple(learning_curves(results, p))) for p in panels),
        ),
        Section(
            "Cost to reach",
            LEAD,
            (Group("", tuple(target_charts(targets))),),
            tuple(target_tables(targets)),
        ),
        Section(
            "Sensitivity to hyperparameters",
            "The selection metric at every grid point: mean over seeds with a 95 % paired "
            "bootstrap band. The star is the optimum, its bar and the shade the 95 % bootstrap "
            "interval of the optimum; a cross at the border marks a point at which a run "
            "diverged, which has no finite mean.",
            (Group("", tuple(c for p in panels for c in sensitivity_charts(p))),),
        ),
        Section(
            "Search",
            "What the draws gave by the selection metric. The star is the selected draw.",
            (Group("", tuple(c for p in panels for c in search_charts(results, p))),),
        ),
        Section(
            "Accuracy by class",
            "Share of each class's test examples predicted right: mean over seeds with the 95 % "
            "Student t interval, at the selected points.",
            (Group("", tuple(c for p in panels for c in class_charts(results, p))),),
        ),
        Section(
            "Confusion matrices",
            "Rows are true classes, columns predicted ones. Cells show the share of the row in "
            "per cent, summed over the seeds of the selected point.",
            tuple(Group("", tuple(confusion_charts(results, p))) for p in panels),
        ),
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


def learning_curves(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return one chart a metric that was recorded, one line an arm."""
    charts = []
    for metric in CURVES:
        lines = [line for arm in panel.arms if (line := _learning_curve(results, arm, metric))]
        if any(finite(line.y) for line in lines):
            charts.append(_learning_chart(panel, metric, lines))
    return charts


def sensitivity_charts(panel: Panel) -> list[Chart]:
    """Return one chart for each numeric hyperparameter that an arm's grid varies.

    Curves without a finite mean make none; the summary says why.
    """
    return [
        _sensitivity_chart(panel, axis, curves)
        for axis, curves in sensitivities(panel).items()
        if finite(point.mean for member in curves for point in member.curve.points)
    ]


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
        bounds = [_bounds(i.low, i.high, _percentage) for _, i in known]
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


def _learning_curve(results: StudyResults, arm: Arm, metric: str) -> Line | None:
    """Mean and t band over the seeds at each epoch, where every seed has a finite figure."""
    if arm.selected is None:
        return None
    runs = [run["run"] for run in arm.selected.runs if run["status"] in ("done", "diverged")]
    frame = (
        results.metrics.filter(pl.col("run").is_in(runs))
        .group_by("epoch")
        .agg(pl.col(metric))
        .sort("epoch")
    )
    scale = _scale(metric)
    x: list[float] = []
    y: list[Number] = []
    low: list[Number] = []
    high: list[Number] = []
    for epoch, values in frame.iter_rows():
        if all(value is None for value in values):
            continue  # not evaluated at this epoch
        known = finite(values)
        x.append(float(epoch))
        if len(known) < len(runs):
            y.append(None)
            low.append(None)
            high.append(None)
            continue
        interval = mean_interval(known)
        y.append(scale(interval.mean))
        low.append(None if interval.low is None else scale(interval.low))
        high.append(None if interval.high is None else scale(interval.high))
    return Line(arm.name, arm_style(arm), x, y, low, high)


def _learning_chart(panel: Panel, metric: str, lines: Sequence[Line]) -> Chart:
    last_figures = {line.label: extent for line in lines if (extent := _end(line))}
    beyond = outlying(last_figures)
    trained = [
        (line.y[i], line.low[i], line.high[i])
        for line in lines
        if line.label not in beyond
        for i in range(len(line.x))
        # The initialisation would squeeze everything that was learnt into a strip.
        if line.x[i] > 0 or len(finite(line.y)) < 3
    ]
    means = finite(mean for mean, _, _ in trained)
    ends = finite(end for _, *band in trained for end in band)
    log = not is_accuracy(metric) and min(means, default=0) > 0 and max(means) > 10 * min(means)
    if log:  # a band may reach zero, the axis cannot
        ends = [end for end in ends if end > min(means) / 2]
    elif is_accuracy(metric):
        ends = [min(max(end, 0.0), 100.0) for end in ends]
    limits = padded([*means, *ends], log)
    # What the others have gone through while they trained may take the axis as far all the same.
    beyond = [
        name
        for name in beyond
        if last_figures[name][1] < limits[0] or last_figures[name][0] > limits[1]
    ]
    if log:
        lines = [replace(line, low=cut(line.low, limits[0])) for line in lines]
    last = {line.label: finite(line.y)[-1] for line in lines if finite(line.y)}
    words = "; ".join(f"{name} ends at {number(value)}" for name, value in last.items())
    epochs = max(line.x[-1] for line in lines if line.x)
    return Chart(
        name=slug("curve", panel.task, panel.model, metric),
        title=f"{metric_name(metric).capitalize()}: {panel.title}",
        description=f"{axis_title(metric)} against epoch on {panel.title}. {words}.",
        caption=beyond_text(beyond),
        x=Axis("Epoch", limits=(0.0, max(epochs, 1.0))),
        y=Axis(
            axis_title(metric) if metric != "train_loss" else "Train loss (minibatches)",
            log,
            limits,
            log_ticks(limits) if log else None,
        ),
        layers=tuple(lines),
    )


def _end(line: Line) -> tuple[float, float] | None:
    """Return the range of a line's last figure; None where it has none."""
    known = [i for i, y in enumerate(line.y) if y is not None]
    if not known:
        return None
    ends = finite([line.low[known[-1]], line.y[known[-1]], line.high[known[-1]]])
    return min(ends), max(ends)


def _sensitivity_chart(panel: Panel, axis: str, curves: Sequence[Sensitivity]) -> Chart:
    metric = panel.metric
    scale = _scale(metric)
    points = [point for member in curves for point in member.curve.points]
    means = finite(point.mean for point in points)
    log_y = not is_accuracy(metric) and min(means, default=0) > 0 and max(means) > 10 * min(means)
    ends = [e for e in finite(e for p in points for e in p.mean_band or ()) if not log_y or e > 0]
    low, high = padded([scale(v) for v in (*means, *ends)], log_y, 0.1)
    positive = all(point.value > 0 for point in points)
    values = sorted({point.value for point in points})
    layers: list[Layer] = []
    optima: list[str] = []
    for index, member in enumerate(curves):
        layers.append(_sensitivity_line(member, scale))
        optimum = _optimum(member, metric)
        if optimum is not None:
            if member.curve.interval is not None:
                layers.append(Shade(member.style, *member.curve.interval))
            layers.append(optimum)
            optima.append(member.verdict(metric))
        # Crosses of several arms at one value are stacked from the worse border inwards.
        share = 0.03 + 0.04 * (index % 6)
        border = share if is_accuracy(metric) else 1 - share
        height = low * (high / low) ** border if log_y else low + border * (high - low)
        diverged = [point for point in member.curve.points if point.diverged]
        if diverged:
            layers.append(
                Points(
                    member.label,
                    member.style,
                    [point.value for point in diverged],
                    [height] * len(diverged),
                    "cross",
                    [
                        f"{clipped(member.label)} at {number(p.value)}: "
                        f"{p.diverged} of {p.count} diverged, median "
                        + metric_value(metric, p.median)
                        for p in diverged
                    ],
                )
            )
    name = axis_name(axis)
    warnings = [text for m in curves if (text := m.warning(metric, panel.searched))]
    return Chart(
        name=slug("sensitivity", panel.task, panel.model, name, metric),
        title=f"{metric_name(metric).capitalize()} against {name}: {panel.title}",
        description=f"{axis_title(metric)} against {name} on {panel.title}. "
        + " ".join(member.verdict(metric) for member in curves),
        caption=" ".join([*optima, *warnings]),
        x=Axis(
            (name if axis != LEARNING_RATE else "Learning rate"),
            positive,
            padded(values, positive),
            grid_ticks(values, positive),
        ),
        y=Axis(axis_title(metric), log_y, (low, high), log_ticks((low, high)) if log_y else None),
        layers=tuple(layers),
    )


def _sensitivity_line(member: Sensitivity, scale: Callable[[float], float]) -> Line:
    def scaled(values: list[float | None]) -> list[float | None]:
        return [None if v is None or math.isinf(v) else scale(v) for v in values]

    points = member.curve.points
    return Line(
        member.label,
        member.style,
        [point.value for point in points],
        scaled([point.mean for point in points]),
        scaled([point.mean_band[0] if point.mean_band else None for point in points]),
        scaled([point.mean_band[1] if point.mean_band else None for point in points]),
        markers=True,
    )


def _optimum(member: Sensitivity, metric: str) -> Points | None:
    """The star on the curve that holds the arm's selected point, if its mean is finite."""
    curve = member.curve
    if not member.selected or curve.best is None:
        return None
    best = curve.points[curve.best]
    if best.mean is None or math.isinf(best.mean):
        return None
    bounds = curve.interval
    within = f", optimum within [{bounds[0]:.3g}, {bounds[1]:.3g}]" if bounds else ""
    return Points(
        member.label,
        member.style,
        [best.value],
        [_scale(metric)(best.mean)],
        "star",
        [
            f"{clipped(member.label)}: best at {number(best.value)} "
            f"({metric_value(metric, best.mean)}){within}"
        ],
        x_interval=[bounds],
    )


def _percentage(value: float) -> float:
    return 100 * value


def _scale(metric: str) -> Callable[[float], float]:
    """Accuracies are drawn in per cent."""
    return _percentage if is_accuracy(metric) else float


def _bounds(
    low: float | None, high: float | None, scale: Callable[[float], float]
) -> tuple[float, float] | None:
    return None if low is None or high is None else (scale(low), scale(high))


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
