"""An optimum at the edge of its grid."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.audit.read.tables import ARM, EPOCH, RATE, Table
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Point, matrix
from thalweg.study.sensitivity import sensitivity_curve

LEAST = 3
"""Values that make a grid with an inside."""


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    for panel in study.panels:
        for arm in panel.arms:
            best = arm.selected
            for axis in best.axes if best is not None else ():
                assert best is not None
                line = [p for p in arm.points if _beside(p, best, axis)]
                if not all(_is_number(point.axes[axis]) for point in line) or len(line) < 2:
                    continue
                line.sort(key=lambda point: float(point.axes[axis]))
                values = [float(point.axes[axis]) for point in line]
                figures = matrix(line, panel.metric)
                curve = sensitivity_curve(values, figures, is_accuracy(panel.metric))
                if curve.at_edge is None or not axis.startswith(("optimizer.", "train.")):
                    continue
                end = values[0] if curve.at_edge == "low" else values[-1]
                touches = curve.optimum != end
                yield Seen(
                    "warning",
                    f"{panel.title}, {arm.name}",
                    "the best value may lie beyond the grid",
                    f"{axis}: best {curve.optimum:g}"
                    + (f", its interval reaches {end:g}," if touches else "")
                    + f" of {', '.join(f'{value:g}' for value in values)}",
                )


def _beside(point: Point, best: Point, axis: str) -> bool:
    """Return whether a point differs from the best on one axis at most."""
    return all(point.axes.get(key) == value for key, value in best.axes.items() if key != axis)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _of_folder(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        rate = table.find(RATE)
        figure = _figure(table)
        if rate is None or figure is None:
            continue
        keys = [name for name in table.find_all(ARM) if name != rate]
        values, figures = table.numbers(rate), table.numbers(figure)
        epoch = table.find(EPOCH)
        epochs = table.numbers(epoch) if epoch is not None else [0.0] * len(values)
        last = max((e for e in epochs if math.isfinite(e)), default=0.0)
        arms: dict[str, dict[float, list[float]]] = {}
        for row, value, result, at in zip(table.rows, values, figures, epochs, strict=True):
            if at == last and math.isfinite(value):
                arm = " ".join(row[key] for key in keys)
                arms.setdefault(arm, {}).setdefault(value, []).append(result)
        for arm, grid in arms.items():
            yield from _of_grid(f"{table.where} {arm}".rstrip(), rate, figure, grid)


def _figure(table: Table) -> str | None:
    for kind in ("acc|accuracy", "loss|error"):
        for split in ("val(?:id|idation)?", "test", ""):
            found = table.find(rf"{split}[_ ]?(?:{kind})(?:[_ ]?mean)?(?:[ (%)]*)")
            if found is not None:
                return found
    return None


def _of_grid(where: str, rate: str, figure: str, grid: dict[float, list[float]]) -> Iterator[Seen]:
    higher = "acc" in figure.lower()
    means = {value: _mean(results, higher) for value, results in sorted(grid.items())}
    if len(means) < LEAST:
        return
    best = (max if higher else min)(means, key=means.__getitem__)
    if math.isfinite(means[best]) and best in (min(means), max(means)):
        yield Seen(
            "warning",
            where,
            "the best value may lie beyond the grid",
            f"{rate}: best {best:g} by {figure}, of {', '.join(f'{value:g}' for value in means)}",
        )


def _mean(results: Sequence[float], higher: bool) -> float:
    """Return the mean, in which what is no number counts as the worst."""
    worst = -math.inf if higher else math.inf
    return float(np.mean([r if math.isfinite(r) else worst for r in results]))


CHECK = Check(
    "grid-edge",
    "a best value at the edge of the grid that was searched",
    "the arm may do better beyond, so that it is judged below its best",
    "extend the grid beyond that edge until the best lies inside",
    of_study=_of_study,
    of_folder=_of_folder,
)
