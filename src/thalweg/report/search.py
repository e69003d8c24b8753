"""Charts of a search: every draw, and how good a smaller random search would have been."""

import math
from collections.abc import Sequence
from statistics import fmean

from thalweg.report.arm_style import arm_style
from thalweg.report.charts import Axis, Chart, Layer, Line, Points, finite, log_ticks, padded
from thalweg.report.formats import axis_title, count, metric_name, metric_value, number, plural
from thalweg.report.sensitivity import LEARNING_RATE, axis_name, numeric_axes, sensitivities
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.expected_best import expected_best
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Arm, Panel, Point
from thalweg.study.statistics import mean_interval


def search_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return the expected best and, for draws of several hyperparameters, one chart of each.

    A study of some of its draws (the last round of successive halving) has no expected best, nor
    has one whose trials were chosen by results: they are no random sample.
    """
    if not panel.searched:
        return []
    search = results.provenance["search"]
    sample = search["method"] == "random" and not search.get("points")
    best = expected_best_chart(panel) if sample else None
    return [*([best] if best else []), *draw_charts(panel)]


def expected_best_chart(panel: Panel) -> Chart | None:
    """Return the expected best selection figure against the gradient evaluations spent."""
    layers = [line for arm in panel.arms if (line := _expected_best(arm, panel.metric))]
    shown = [value for line in layers for value in finite(line.y)]
    if not shown:
        return None
    metric = panel.metric
    spent = [value for line in layers for value in line.x]
    words = "; ".join(
        f"{line.label}: {metric_value(metric, _unscaled(metric, y))} after {count(x)}"
        for line in layers
        for x, y in [(line.x[-1], line.y[-1])]
        if y is not None
    )
    return Chart(
        name=slug("expected-best", panel.task, panel.model, metric),
        title=f"Expected best {metric_name(metric)}: {panel.title}",
        description=f"Expected best {metric_name(metric)} against the gradient evaluations of the "
        f"search on {panel.title}. {words}.",
        caption="The mean over all subsets of n draws of the best of them, at n times the mean "
        "cost of a draw. The line begins where no subset has diverged altogether.",
        x=Axis("Gradient evaluations", limits=(0.0, 1.04 * max(spent))),
        y=Axis(axis_title(metric), limits=padded(shown)),
        layers=tuple(layers),
    )


def draw_charts(panel: Panel) -> list[Chart]:
    """Return one chart for each hyperparameter of the arms that have no sensitivity curve."""
    with_curve = {m.arm.name for curves in sensitivities(panel).values() for m in curves}
    arms = [arm for arm in panel.arms if arm.name not in with_curve]
    axes = dict.fromkeys(axis for arm in arms for axis in numeric_axes(arm.points))
    return [chart for axis in axes if (chart := _draw_chart(panel, axis, arms))]


def _expected_best(arm: Arm, metric: str) -> Line | None:
    figures = [mean for point in arm.points if (mean := _mean(point, metric)) is not None]
    if len(figures) < 2:
        return None
    costs = [sum(run["gradient_evaluations"] or 0 for run in p.runs) for p in arm.points]
    best = [_scaled(metric, v) for v in expected_best(figures, is_accuracy(metric)).tolist()]
    known = [value if math.isfinite(value) else None for value in best]
    spent = [n * fmean(costs) for n in range(1, len(known) + 1)]
    nothing = [None] * len(known)
    return Line(arm.name, arm_style(arm), spent, known, nothing, nothing)


def _draw_chart(panel: Panel, axis: str, arms: Sequence[Arm]) -> Chart | None:
    metric = panel.metric
    layers: list[Layer] = []
    shown: list[float] = []
    values: list[float] = []
    lost = 0
    for arm in arms:
        points = [point for point in arm.points if axis in point.axes]
        means = [_mean(point, metric) for point in points]
        lost += sum(mean is not None and math.isinf(mean) for mean in means)
        known = [
            (float(point.axes[axis]), _scaled(metric, mean), point)
            for point, mean in zip(points, means, strict=True)
            if mean is not None and math.isfinite(mean)
        ]
        for symbol, chosen in (
            ("dot", [row for row in known if row[2] is not arm.selected]),
            ("star", [row for row in known if row[2] is arm.selected]),
        ):
            if chosen:
                layers.append(
                    Points(
                        arm.name,
                        arm_style(arm),
                        [x for x, _, _ in chosen],
                        [y for _, y, _ in chosen],
                        symbol,
                        [
                            f"{point.label}: {metric_value(metric, _unscaled(metric, y))}"
                            for _, y, point in chosen
                        ],
                    )
                )
        values += [x for x, _, _ in known]
        shown += [y for _, y, _ in known]
    if not shown:
        return None
    name = axis_name(axis)
    positive = min(values) > 0
    best = [
        f"{arm.name}: best at {number(arm.selected.axes[axis])}" for arm in arms if arm.selected
    ]
    absent = f" {plural(lost, 'point')} with a diverged run not shown." if lost else ""
    return Chart(
        name=slug("draws", panel.task, panel.model, name, metric),
        title=f"{metric_name(metric).capitalize()} of each draw against {name}: {panel.title}",
        description=f"{axis_title(metric)} of each draw against {name} on {panel.title}. "
        f"{'; '.join(best)}.{absent}",
        caption=f"Mean over seeds; the other hyperparameters vary too.{absent}",
        x=Axis(
            name if axis != LEARNING_RATE else "Learning rate",
            positive,
            padded(values, positive),
            log_ticks(padded(values, True)) if positive else None,
        ),
        y=Axis(axis_title(metric), limits=padded(shown)),
        layers=tuple(layers),
    )


def _mean(point: Point, metric: str) -> float | None:
    values = point.values(metric)
    return mean_interval(values).mean if values else None


def _scaled(metric: str, value: float) -> float:
    return 100 * value if is_accuracy(metric) else value


def _unscaled(metric: str, value: float) -> float:
    return value / 100 if is_accuracy(metric) else value
