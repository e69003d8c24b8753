"""Successive halving: every round but the last is a study of its own."""

from collections.abc import Callable
from typing import Any

from thalweg import api
from thalweg.errors import InputError, ThalwegError
from thalweg.report.formats import metric_name
from thalweg.store.results import StudyResults
from thalweg.study import StudyPlan, build_study
from thalweg.study.halving import Rung, rungs, survivors
from thalweg.study.panels import matrix, panels
from thalweg.study.source import Table, merge

MOST_NAMED = 12
"""Dropped points that a note names; the round's own report has them all."""

Run = Callable[[api.Study], api.Results]


def plan_rungs(plan: StudyPlan, factor: Any) -> list[Rung]:
    """Return the rounds of a study of one arm, whose points all have the same epochs.

    Raises:
        InputError: The factor is no whole number of at least 2, the epochs differ, or results
            decide which points there are.
    """
    if not isinstance(factor, int) or factor < 2:
        raise InputError(f"--halving {factor}: must be a whole number of at least 2")
    if plan.spaces:
        raise InputError(
            f"--halving {factor}: must be left out of an Optuna search, whose trials are compared "
            "at the same epochs"
        )
    epochs = {spec.train.epochs for spec in plan.specs}
    if len(epochs) > 1:
        raise InputError("--halving: needs the same train.epochs at every point")
    return rungs(len(plan.points), epochs.pop(), factor)


def planned_rung(table: Table, position: int, rung: Rung, chosen: list[int]) -> StudyPlan:
    """Return a round as a study, by the positions of its points in the whole."""
    name = f"{table['study']['name']}-round-{position + 1}"
    changes = {
        "study": {"name": name},
        "train": {"epochs": rung.epochs},
        "search": {"points": chosen},
    }
    return build_study(merge(table, changes))


def halve(table: Table, rounds: list[Rung], run: Run, tell: Callable[[str], None]) -> Table:
    """Run all rounds but the last; return the table of the last, with notes on what was dropped.

    A point that goes on is trained anew from its initialisation, because a schedule depends on the
    length of the training; the notes count what that costs.

    Raises:
        ThalwegError: No run of a round came to a finite result.
    """
    chosen = list(range(rounds[0].points))
    notes: list[str] = []
    for position, rung in enumerate(rounds[:-1]):
        study = api.Study(planned_rung(table, position, rung, chosen))
        results = run(study).load()
        metric = _loss(results)
        (panel,) = panels(results)
        (arm,) = panel.arms
        kept = survivors(matrix(arm.points, metric), False, rounds[position + 1].points)
        if not kept:
            raise ThalwegError(f"{results.name}: no run came to a finite result")
        dropped = [point.label for i, point in enumerate(arm.points) if i not in kept]
        notes.append(_note(position, rounds, results, metric, dropped))
        tell(notes[-1])
        chosen = [chosen[i] for i in kept]
    return merge(table, {"study": {"notes": notes}, "search": {"points": chosen}})


def _note(
    position: int, rounds: list[Rung], results: StudyResults, metric: str, dropped: list[str]
) -> str:
    rung = rounds[position]
    more = len(dropped) - MOST_NAMED
    named = "; ".join(dropped[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
    return (
        f"Round {position + 1} of {len(rounds)} (study {results.name}): {rung.points} points, "
        f"epochs: {rung.epochs}, gradient evaluations: "
        f"{results.runs['gradient_evaluations'].sum()}. "
        f"The worst {len(dropped)} by {metric_name(metric)} were dropped: {named}. "
        "The others go on from their initialisation, trained anew."
    )


def _loss(results: StudyResults) -> str:
    """The loss by which points are dropped: on validation wherever there is a split for it."""
    known = results.runs["validation_loss"].is_not_null().any()
    return "validation_loss" if known else "test_loss"
