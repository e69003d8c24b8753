"""Arms of a study compared two by two, at their selected points."""

import math
from collections.abc import Sequence
from itertools import combinations, product

from thalweg.errors import InputError
from thalweg.store.results import StudyResults
from thalweg.study.comparison.pair import (
    Design,
    PairComparison,
    PairedRuns,
    common_runs,
    compare_pairs,
)
from thalweg.study.metrics import is_accuracy
from thalweg.study.panels import Arm, Panel, Point, seed_value
from thalweg.validation import unknown


def compare_named(
    results: StudyResults, grouped: Sequence[Panel], names: Sequence[str], metric: str
) -> list[PairComparison]:
    """Compare arms on each task and model that two of them share, or if there is none on each task.

    Each task and model is a question of its own: the pairs on it, of the arms asked for, are
    compared together. In a sequential study all its pairs count, whichever are asked for.

    Args:
        results: The study's results.
        grouped: Its panels.
        names: Of two arms or more.
        metric: A loss or accuracy of the ``runs`` frame.

    Raises:
        InputError: There is nothing to compare.
    """
    design = study_design(results)
    others = [name for name in _names(grouped) if name not in names] if design else []
    questions: dict[str, list[PairedRuns]] = {}
    for first, second in combinations([*names, *others], 2):
        for question, pair in _shared(
            grouped, first, second, metric, {first, second} <= set(names)
        ):
            questions.setdefault(question, []).append(pair)
    compared = [
        pair
        for runs in questions.values()
        for pair in compare_pairs(runs, design=design)
        if {pair.runs.first, pair.runs.second} <= set(names)
    ]
    if not compared:
        raise InputError(
            f"compare: {' and '.join(names)} share no task on which both have {metric}"
        )
    return compared


def compare_panel(results: StudyResults, panel: Panel, metric: str) -> list[PairComparison]:
    """Compare all arms of a panel that have the metric; the pairs that have no seed in common are
    left out.
    """
    runs = [
        pair
        for first, second in combinations(panel.arms, 2)
        if (pair := _common((panel, first), (panel, second), metric, False)) is not None
    ]
    return compare_pairs(runs, design=study_design(results)) if runs else []


def study_design(results: StudyResults) -> Design | None:
    """Return how the seeds of a study were added; None where all were there from the beginning."""
    sequential = results.provenance.get("sequential")
    if not sequential:
        return None
    return Design(tuple(sequential["looks"]), sequential["max_seeds"])


def compared_point(arm: Arm) -> Point:
    """Return the selected point, or the first where every run of every point diverged."""
    return arm.selected or arm.points[0]


def known_metric(results: StudyResults, grouped: Sequence[Panel], metric: str | None) -> str:
    """Return the metric asked for, or by default test accuracy if there is one, or test loss.

    Raises:
        InputError: No run has it, or none is complete.
    """
    known = {name: None for panel in grouped for name in sorted(panel.metrics)}
    if not known:
        if "done" in results.runs["status"]:  # imported, of files that tell none
            raise InputError(f"study {results.name!r}: no run has a loss or accuracy to compare")
        raise InputError(f"study {results.name!r}: has no complete run yet, so run it first")
    if metric is None:
        return "test_accuracy" if "test_accuracy" in known else "test_loss"
    if metric not in known:
        raise InputError(f"--metric: {unknown('metric', metric, known)}")
    return metric


def known_arms(grouped: Sequence[Panel], names: Sequence[str]) -> list[str]:
    """Return the names asked for, each once, or by default all.

    Raises:
        InputError: There is no such arm, or it is one alone.
    """
    known = _names(grouped)
    for name in names:
        if name not in known:
            raise InputError(unknown("arm", name, known))
    asked = list(dict.fromkeys(names or known))
    if len(asked) < 2:
        raise InputError(
            f"compare: {asked[0]!r} is one arm, and it takes two (allowed: {', '.join(known)})"
        )
    return asked


def _names(grouped: Sequence[Panel]) -> list[str]:
    return list(dict.fromkeys(arm.name for panel in grouped for arm in panel.arms))


def _shared(
    grouped: Sequence[Panel], first: str, second: str, metric: str, asked: bool
) -> list[tuple[str, PairedRuns]]:
    """The runs of two arms at common seeds, on every task and model that both have, or else on
    every task; with the name of what they have in common.
    """
    found = [
        [
            (panel, arm)
            for panel in grouped
            if metric in panel.metrics
            for arm in panel.arms
            if arm.name == name
        ]
        for name in (first, second)
    ]
    both = list(product(*found))
    alike = [(a, b) for a, b in both if a[0] is b[0]]
    pairs = alike or [(a, b) for a, b in both if a[0].task == b[0].task]
    return [
        (a[0].title if a[0] is b[0] else a[0].task, runs)
        for a, b in pairs
        if (runs := _common(a, b, metric, asked)) is not None
    ]


def _common(
    first: tuple[Panel, Arm], second: tuple[Panel, Arm], metric: str, asked: bool
) -> PairedRuns | None:
    """The runs at common seeds; None where one of the arms has none with this figure."""
    panel, names = first[0], (first[1].name, second[1].name)
    x, y = (
        {run["seed"]: seed_value(run, metric) for run in compared_point(arm).runs}
        for _, arm in (first, second)
    )
    found = common_runs(*names, x, y, is_accuracy(metric))
    known = [
        [seed for seed, value in figures.items() if not math.isnan(value)] for figures in (x, y)
    ]
    if found is None and all(known) and asked:
        raise InputError(
            f"compare: {names[0]!r} and {names[1]!r} have no seed in common on {panel.task} "
            f"(seeds {_seeds(known[0])} against {_seeds(known[1])})"
        )
    return found


def _seeds(seeds: Sequence[int]) -> str:
    shown = ", ".join(map(str, seeds[:5]))
    return f"{shown}, …" if len(seeds) > 5 else shown
