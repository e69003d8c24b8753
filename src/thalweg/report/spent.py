"""What a whole study has cost."""

import math

import polars as pl

from thalweg.report.formats import count, duration
from thalweg.store.results import StudyResults

COSTS = ("examples", "gradient_evaluations", "flops", "seconds")
"""Columns of the ``runs`` and ``rounds`` frames that add up."""


def spent(results: StudyResults) -> str:
    """Return a sentence with the sums over all trainings of a study, "" where none has ended.

    The rounds of pruning before the last count, and what several arms share counts once.
    """
    columns = ["run", "status", *COSTS]
    every = pl.concat([results.runs.select(columns), results.rounds.select(columns)])
    ended = every.filter(pl.col("status").is_in(["done", "diverged"])).unique("run")
    if ended.is_empty():
        return ""
    total = {name: math.fsum(ended[name].drop_nulls()) for name in COSTS}
    return (
        f"{len(ended):,} training{'s' * (len(ended) > 1)}: {count(total['examples'])} examples, "
        f"{count(total['gradient_evaluations'])} gradient evaluations, {count(total['flops'])} "
        f"FLOPs, {duration(total['seconds'])} of wall time, each counted by its share of its "
        "cohort's."
    )
