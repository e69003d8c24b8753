"""The loss on planes through the networks, on the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from thalweg.report.charts import (
    Axis,
    Chart,
    Contour,
    Line,
    Number,
    Relief,
    Style,
    finite,
    log_ticks,
    padded,
)
from thalweg.report.formats import clipped, number
from thalweg.store.results import StudyResults
from thalweg.store.slug import slug
from thalweg.study.panels import Arm, Panel

Figures = dict[str, Any]

CONTOUR_HEIGHT = 330
RELIEF_HEIGHT = 460


@dataclass(frozen=True)
class Landscape:
    """What a probe has found on a plane through one network of an arm.

    Attributes:
        arm: The arm.
        seed: Of the network.
        figures: See `thalweg.measure.landscape.probes.measure_landscape`.
    """

    arm: Arm
    seed: int
    figures: Figures

    @property
    def steps(self) -> tuple[list[float], list[float]]:
        first, second = self.figures["steps"]
        return first, second

    @property
    def heights(self) -> list[list[Number]]:
        """The losses, a row a step along the second direction."""
        return _turned(self.figures["loss"])

    @property
    def at_network(self) -> Number:
        first, second = self.steps
        loss: Number = self.figures["loss"][first.index(0)][second.index(0)]
        return loss

    @property
    def directions(self) -> tuple[str, str]:
        """Names of the two, for the axes."""
        return self._direction(0), self._direction(1)

    def _direction(self, index: int) -> str:
        place = index + 1
        if "explained" in self.figures:
            share = 100 * self.figures["explained"][index]
            return f"Path's direction {place} ({share:.1f} %)"
        if "eigenvalues" in self.figures:
            note = "" if self.figures["converged"][index] else ", not converged"
            return f"Eigenvector {place} (λ = {number(self.figures['eigenvalues'][index])}{note})"
        return f"Random direction {place}"


def landscape_charts(results: StudyResults, panel: Panel) -> list[Chart]:
    """Return for every probe that has looked over a plane: the contours of each arm, the surfaces
    of all, and the losses of the classes of each arm; of its first network at its selected point.
    """
    charts: list[Chart] = []
    for label in landscape_labels(results):
        members = [found for arm in panel.arms if (found := _landscape(results, label, arm))]
        if members:
            scale = _scale("Loss", (v for each in members for row in each.heights for v in row))
            charts += [_contour_chart(panel, label, member, scale) for member in members]
            charts.append(_relief_chart(panel, label, members, scale))
            charts += _class_charts(results, panel, label, members)
    return charts


def landscape_labels(results: StudyResults) -> list[str]:
    """Return the labels of the probes that have looked over a plane."""
    found = (label for (_, label), own in results.grids.items() if "steps" in own)
    return list(dict.fromkeys(found))


def _landscape(results: StudyResults, label: str, arm: Arm) -> Landscape | None:
    runs = [] if arm.selected is None else arm.selected.runs
    for run in runs:
        if (figures := results.grids.get((run["run"], label))) is not None:
            return Landscape(arm, run["seed"], figures)
    return None


def _scale(title: str, values: Any) -> Axis:
    """Return the axis that all of some positive values share."""
    known = [value for value in finite(values) if value > 0] or [1.0]
    limits = padded(known, log=True, share=0.02)
    ticks = log_ticks(limits)
    if len(ticks) < 2:  # a nearly level plane
        ticks = tuple((value, f"{value:.4g}") for value in (min(known), max(known)))
    return Axis(title, True, limits, ticks)


def _contour_chart(panel: Panel, label: str, member: Landscape, scale: Axis) -> Chart:
    first, second = member.steps
    path = [(a, b) for a, b in member.figures.get("path", ())]
    steps = member.figures.get("path_steps", ())
    caption = "The star is the network."
    if path:
        caption += f" The line is the training's path, from the ring at step {steps[0]}."
    name = member.arm.name
    return Chart(
        name=slug("landscape", panel.task, panel.model, label, name),
        title=f"{label}: loss around {name}, {panel.title}",
        description=f"{_words(member)} {caption}",
        caption=f"Seed {member.seed}. {caption}",
        x=Axis(member.directions[0], limits=(first[0], first[-1])),
        y=Axis(member.directions[1], limits=(second[0], second[-1])),
        layers=(
            Contour(first, second, member.heights, scale, path, [f"step {step}" for step in steps]),
        ),
        height=CONTOUR_HEIGHT,
        legend=False,
    )


def _words(member: Landscape) -> str:
    losses = finite(value for row in member.heights for value in row)
    return (
        f"Loss on a plane through the network of {member.arm.name}, seed {member.seed}: "
        f"{number(member.at_network)} at the network, from {number(min(losses))} to "
        f"{number(max(losses))} on the plane. Axes: {member.directions[0]}; "
        f"{member.directions[1]}."
    )


def _relief_chart(panel: Panel, label: str, members: Sequence[Landscape], scale: Axis) -> Chart:
    first, second = (text.partition(" (")[0] for text in members[0].directions)
    several = len(members) > 1
    return Chart(
        name=slug("surface", panel.task, panel.model, label),
        title=f"{label}: loss as a surface, {panel.title}",
        description=" ".join(map(_words, members)),
        caption="A click on a name shows its surface alone, a double click beside the others."
        if several
        else "",
        x=Axis(first),
        y=Axis(second),
        z=scale,
        layers=tuple(Relief(member.arm.name, *member.steps, member.heights) for member in members),
        height=RELIEF_HEIGHT,
        legend=several,
    )


def _class_charts(
    results: StudyResults, panel: Panel, label: str, members: Sequence[Landscape]
) -> list[Chart]:
    lines = {
        member.arm.name: _class_lines(member, results.class_names.get(panel.task, ()))
        for member in members
        if "class_loss" in member.figures
    }
    scale = _scale("Loss of the class", (y for own in lines.values() for ln in own for y in ln.y))
    return [
        Chart(
            name=slug("class-landscape", panel.task, panel.model, label, member.arm.name),
            title=f"{label}: loss of each class around {member.arm.name}, {panel.title}",
            description="Loss of each class's examples along the first direction of the plane; "
            + "; ".join(
                f"{clipped(line.label, 20)} rises to {number(max(finite(line.y), default=None))}"
                for line in lines[member.arm.name]
            )
            + ".",
            caption=f"Seed {member.seed}.",
            x=Axis(member.directions[0], limits=(member.steps[0][0], member.steps[0][-1])),
            y=scale,
            layers=tuple(lines[member.arm.name]),
            height=CONTOUR_HEIGHT,
        )
        for member in members
        if member.arm.name in lines
    ]


def _class_lines(member: Landscape, names: Sequence[str]) -> list[Line]:
    """The loss of each class along the first direction, through the network."""
    first, second = member.steps
    middle = second.index(0)
    lines = []
    for index, grid in enumerate(member.figures["class_loss"]):
        name = names[index] if index < len(names) else f"class {index}"
        nothing = [None] * len(first)
        losses = [value if (value := row[middle]) else None for row in grid]
        lines.append(Line(name, Style(index, index), first, losses, nothing, nothing))
    return lines


def _turned(grid: Sequence[Sequence[Number]]) -> list[list[Number]]:
    return [list(column) for column in zip(*grid, strict=True)]
