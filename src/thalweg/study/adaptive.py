"""Searches that go by rounds: the trials of one are chosen by the results of those before."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from thalweg.randomness import derive
from thalweg.store.results import StudyResults
from thalweg.study.axes import Axes
from thalweg.study.metrics import is_accuracy
from thalweg.study.plan import StudyPlan, expand_study
from thalweg.study.search import SearchOptions
from thalweg.study.source import merge
from thalweg.study.space import random_trials
from thalweg.study.statistics import ranking
from thalweg.study.tpe import propose
from thalweg.validation import validate

BATCH = 10


def rounds(plan: StudyPlan, results: Callable[[], StudyResults]) -> Iterator[StudyPlan]:
    """Yield the study to be trained, again and again with one round more where results decide.

    Args:
        plan: The study.
        results: Gives the results of what was yielded last.
    """
    if not plan.spaces or plan.table["search"].get("drawn"):
        yield plan
    while (following := next_round(plan, results)) is not None:
        plan = following
        yield plan


def next_round(plan: StudyPlan, results: Callable[[], StudyResults]) -> StudyPlan | None:
    """Return the study with the trials of one round more; None where it has them all.

    The choice is a function of the search's seed and the results of the trials before, so a search
    that is begun again finds its runs in the store.

    Args:
        plan: The study so far.
        results: Gives its results, every run being complete; called where they are needed.
    """
    if not plan.spaces:
        return None
    search = validate(SearchOptions, plan.table["search"], "search")
    assert search.trials is not None  # the plan could not have been built
    drawn = search.drawn or {}
    if all(len(drawn.get(arm, [])) >= search.trials for arm in plan.spaces):
        return None
    batch = search.batch or BATCH
    found = results() if drawn else None
    chosen = {}
    for arm, space in plan.spaces.items():
        before = drawn.get(arm, [])
        count = min(batch, search.trials - len(before))
        if found is None or not before:
            more = random_trials(space, count, search.seed)
        else:
            points = [point.axes for point in plan.points if point.arm == arm]
            ranks = _ranks(found, arm, points)
            seed = derive(search.seed, "search", len(before)) % 2**32
            more = propose(space, points, ranks, count, seed)
        chosen[arm] = [*before, *more]
    return expand_study(merge(plan.table, {"search": {"drawn": chosen}}), plan.source)


def _ranks(results: StudyResults, arm: str, points: list[Axes]) -> list[float]:
    """Return each point's rank, 0 for the best; those without a finite result share the last."""
    runs = results.runs.filter(pl.col("arm") == arm)
    higher = is_accuracy(results.selection)
    figures = _figures(runs, results.selection, -math.inf if higher else math.inf)
    order = ranking(figures.reshape(len(points), -1), higher)
    ranks = [float(len(order))] * len(points)
    for rank, position in enumerate(order):
        ranks[position] = float(rank)
    return ranks


def _figures(runs: pl.DataFrame, metric: str, worst: float) -> NDArray[np.float64]:
    """Return each run's figure: the worst if it diverged, NaN if it has none."""
    diverged = (runs["status"] == "diverged").to_numpy()
    return np.where(diverged, worst, runs[metric].cast(pl.Float64).fill_null(math.nan).to_numpy())
