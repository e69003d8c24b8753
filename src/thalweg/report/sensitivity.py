"""How the selection metric depends on a numeric hyperparameter: one curve an arm."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from thalweg.report.charts import Style
from thalweg.report.formats import is_accuracy, metric_name, number
from thalweg.report.panels import Arm, Panel, Point, matrix
from thalweg.study.statistics import LearningRateCurve, learning_rate_curve

LEARNING_RATE = "optimizer.lr"


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
    curve: LearningRateCurve
    selected: bool

    @property
    def label(self) -> str:
        return f"{self.arm.name}, {self.others}" if self.others else self.arm.name

    def warning(self, metric: str) -> str:
        """One sentence where the optimum lies at the edge of its grid, else ""."""
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
        sentence = (
            f"{self.label}: {where} {name} of the grid ({metric_name(metric)}), "
            "so the true optimum may lie beyond."
        )
        if self.axis != LEARNING_RATE or not self.curve.suggested:
            return sentence
        tried = {point.rate for point in self.curve.points}
        grid = ", ".join(
            f"{rate:g}" if rate in tried else number(rate, 2) for rate in self.curve.suggested
        )
        return f"{sentence} Try lr = [{grid}]."


def sensitivities(panel: Panel) -> dict[str, list[Sensitivity]]:
    """Return a panel's curves by axis: the learning rate first, where an arm has a grid of it.

    An arm has curves over its learning rate, or else over the first numeric axis of its grid.
    """
    found: dict[str, list[Sensitivity]] = {}
    for arm in panel.arms:
        axis = _numeric_axis(arm.points)
        if axis is not None:
            found.setdefault(axis, []).extend(_curves(arm, axis, panel.metric))
    return dict(sorted(found.items(), key=lambda item: item[0] != LEARNING_RATE))


def axis_name(axis: str) -> str:
    """Name of a grid axis for people."""
    return "learning rate" if axis == LEARNING_RATE else axis.removeprefix("optimizer.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numeric_axis(points: Iterable[Point]) -> str | None:
    values: dict[str, set[Any]] = {}
    for point in points:
        for axis, value in point.axes.items():
            values.setdefault(axis, set()).add(value if _is_number(value) else None)
    able = [axis for axis, found in values.items() if len(found) > 1 and None not in found]
    return LEARNING_RATE if LEARNING_RATE in able else next(iter(able), None)


def _curves(arm: Arm, axis: str, metric: str) -> list[Sensitivity]:
    held: dict[str, list[Point]] = {}
    for point in arm.points:
        if axis in point.axes:
            held.setdefault(_others(arm, point, axis), []).append(point)
    curves = []
    for index, (others, points) in enumerate(held.items()):
        points.sort(key=lambda point: float(point.axes[axis]))
        curve = learning_rate_curve(
            [float(point.axes[axis]) for point in points],
            matrix(points, metric),
            is_accuracy(metric),
        )
        style = Style(arm.style.colour, arm.style.dash + index)
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
