"""Results by class: confusion matrices and accuracies of each arm's selected point."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from thalweg.store.results import StudyResults
from thalweg.study.panels import Arm, Panel
from thalweg.study.statistics import Interval, mean_interval


@dataclass(frozen=True)
class ArmClasses:
    """Test examples of one arm by class.

    Attributes:
        arm: The arm.
        names: Names of the classes.
        counts: True × predicted class, summed over the seeds.
        accuracies: For each class, the mean over seeds of the share of its examples that were
            predicted right; None for a class without test examples.
    """

    arm: Arm
    names: tuple[str, ...]
    counts: NDArray[np.int64]
    accuracies: tuple[Interval | None, ...]


def arm_classes(results: StudyResults, panel: Panel) -> list[ArmClasses]:
    """Return the results by class of a panel's arms that have any, in the order of the arms."""
    names = results.class_names.get(panel.task)
    if names is None:
        return []
    found = []
    for arm in panel.arms:
        runs = [run["run"] for run in arm.selected.runs] if arm.selected else []
        stack = _matrices(results.confusion, runs, len(names))
        if len(stack):
            found.append(ArmClasses(arm, tuple(names), stack.sum(axis=0), _accuracies(stack)))
    return found


def _matrices(confusion: pl.DataFrame, runs: list[str], classes: int) -> NDArray[np.int64]:
    """Runs × true × predicted, of the runs that have a confusion matrix."""
    frame = confusion.filter(pl.col("run").is_in(runs))
    position = {run: i for i, run in enumerate(frame["run"].unique(maintain_order=True))}
    stack = np.zeros((len(position), classes, classes), dtype=np.int64)
    for run, true, predicted, count in frame.iter_rows():
        stack[position[run], true, predicted] += count
    return stack


def _accuracies(stack: NDArray[np.int64]) -> tuple[Interval | None, ...]:
    totals = stack.sum(axis=2)
    right = np.diagonal(stack, axis1=1, axis2=2)
    return tuple(
        mean_interval(right[present, c] / totals[present, c]) if present.any() else None
        for c, present in enumerate((totals > 0).T)
    )
