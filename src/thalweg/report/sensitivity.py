"""How the selection metric depends on a numeric hyperparameter: one curve an arm."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from thalweg.report.charts import Style
from thalweg.report.formats import metric_name, metric_value, number
from thalweg.store.results import StudyResults
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Arm, Panel, Point, matrix, panels
from thalweg.study.ranges import range_text
from thalweg.study.sensitivity import SensitivityCurve, sensitivity_curve

LEARNING_RATE = "optimizer.lr"

LONGEST_LIST = 14
"""Values up to which an extended grid is written out."""


@dataclass(frozen=True)
class Sensitivity:
    """One curve of an arm, its other hyperparameters held.

    ``others`` names those that vary in the arm's grid ("momentum=0.9"; "" where none does).
    ``selected`` tells whether the arm's selected point lies on this curve.
    """

    arm: Arm
    style: Style
    axis: str
    others: str
    curve: SensitivityCurve
    selected: bool

    @property
    def label(self) -> str:
        return f"{self.arm.name}, {self.others}" if self.others else self.arm.name

    def warning(self, metric: str, searched: bool) -> str:
        """One sentence where the optimum lies at the edge of its grid, or of what a search drew,
        else "".
        """
        edge = self.curve.at_edge
        if edge is None or not self.selected:
            return ""
        end = "lowest" if edge == "low" else "highest"
        name = axis_name(self.axis)
        touches = self.curve.best not in (0, len(self.curve.points) - 1)
        where = (
            f"the interval of its optimum touches the {end}"
            if touches
            else f"its optimum is the {end}"
        )
        outermost = self.curve.points[0 if edge == "low" else -1]
        among = "that was drawn" if searched else "of the grid"
        sentence = (
            f"{self.label}: {where} {name} {among} ({metric_name(metric)}), "
            "so the true optimum may lie beyond."
        )
        if searched:
            return f"{sentence} Draw from a range that goes beyond {number(outermost.value)}."
        if self.axis != LEARNING_RATE or not self.curve.suggested:
            return sentence
        if self.curve.suggested_range is not None:
            return f"{sentence} Try --lr {range_text(self.curve.suggested_range)}."
        if len(self.curve.suggested) > LONGEST_LIST:
            return sentence
        tried = {point.value for point in self.curve.points}
        grid = ", ".join(
            f"{value:g}" if value in tried else number(value, 2) for value in self.curve.suggested
        )
        return f"{sentence} Try lr = [{grid}]."

    def verdict(self, metric: str) -> str:
        """The optimum with its interval, the stable range and the divergence, in sentences."""
        curve, name = self.curve, axis_name(self.axis)
        best = None if curve.best is None else curve.points[curve.best]
        if best is None or best.mean is None:
            return f"{self.label}: no {name} has a run with a finite result."
        of = f"mean {metric_name(metric)} {metric_value(metric, best.mean)}"
        found = [f"{self.label}: best {name} {number(best.value)} ({of})"]
        if curve.interval is not None:
            found.append(f", 95 % interval of the optimum {span(curve.interval)}")
        if curve.refined is not None:
            found.append(f", by a parabola through its neighbours {number(curve.refined, 2)}")
        found.append(".")
        if curve.stable is not None and curve.stable[0] < curve.stable[1]:
            found.append(f" Means lie within the optimum's band from {span(curve.stable)}.")
        if curve.diverging:
            safe = curve.largest_safe
            found.append(
                f" Runs diverged at {', '.join(map(number, curve.diverging))}"
                + (f"; the largest without is {number(safe)}." if safe is not None else ".")
            )
        return "".join(found)


def sensitivities(panel: Panel) -> dict[str, list[Sensitivity]]:
    """Return a panel's curves by axis: the learning rate first, where an arm has a grid of it.

    An arm has curves over its learning rate, or else over the first numeric axis of its grid.
    """
    found: dict[str, list[Sensitivity]] = {}
    for arm in panel.arms:
        axis = _numeric_axis(arm.points)
        if axis is not None:
            found.setdefault(axis, []).extend(arm_curves(arm, axis, panel.metric))
    found = {axis: curves for axis, curves in found.items() if curves}
    return dict(sorted(found.items(), key=lambda item: item[0] != LEARNING_RATE))


def sensitivity_records(results: StudyResults) -> list[dict[str, Any]]:
    """Return every curve of a study as plain values."""
    return [
        {
            "task": panel.task,
            "model": panel.model,
            "arm": member.arm.name,
            "hyperparameter": member.axis,
            "others": member.others,
            "metric": panel.metric,
            **asdict(member.curve),
        }
        for panel in panels(results)
        for curves in sensitivities(panel).values()
        for member in curves
    ]


def span(ends: tuple[float, float]) -> str:
    """A range of values: "0.01 to 0.1", or one value where the ends are equal."""
    low, high = map(number, ends)
    return low if low == high else f"{low} to {high}"


def axis_name(axis: str) -> str:
    """Name of a grid axis for people."""
    return "learning rate" if axis == LEARNING_RATE else axis.removeprefix("optimizer.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def numeric_axes(points: Iterable[Point]) -> list[str]:
    """Return the key paths of the numeric hyperparameters that the points vary."""
    values: dict[str, set[Any]] = {}
    for point in points:
        for axis, value in point.axes.items():
            values.setdefault(axis, set()).add(value if _is_number(value) else None)
    return [axis for axis, found in values.items() if len(found) > 1 and None not in found]


def _numeric_axis(points: Iterable[Point]) -> str | None:
    able = numeric_axes(points)
    return LEARNING_RATE if LEARNING_RATE in able else next(iter(able), None)


def arm_curves(arm: Arm, axis: str, metric: str) -> list[Sensitivity]:
    """Return an arm's curves along a numeric axis, one for each setting of what else varies; none
    where no two points differ in this axis alone.
    """
    held: dict[str, list[Point]] = {}
    for point in arm.points:
        if axis in point.axes:
            held.setdefault(_others(arm, point, axis), []).append(point)
    if len(held) == len(arm.points) > 1:
        return []  # draws of several hyperparameters: no two points differ in one alone
    curves = []
    for index, (others, points) in enumerate(held.items()):
        points.sort(key=lambda point: float(point.axes[axis]))
        curve = sensitivity_curve(
            [float(point.axes[axis]) for point in points],
            matrix(points, metric),
            is_accuracy(metric),
        )
        style = Style(arm.number, arm.number + index)
        curves.append(Sensitivity(arm, style, axis, others, curve, arm.selected in points))
    return curves


def _others(arm: Arm, point: Point, axis: str) -> str:
    """The other axes of a point that vary in the arm, as "momentum=0.9, nesterov=true"."""

    def varies(name: str) -> bool:
        return len({str(p.axes.get(name)) for p in arm.points}) > 1

    return ", ".join(
        f"{axis_name(name)}={value}"
        for name, value in point.axes.items()
        if name != axis and varies(name)
    )
