"""How alike the masks of tickets are: between seeds, and between arms that keep as much."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isclose
from pathlib import Path
from statistics import fmean

import polars as pl

from thalweg.report.panels import Run
from thalweg.report.rounds import Pruning, Round, kept_text
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key, key_columns
from thalweg.sparsity import load_masks
from thalweg.sparsity.masks import Masks
from thalweg.sparsity.overlap import chance_jaccard, jaccard, pairwise_overlap
from thalweg.store.results import StudyResults

ALIKE = 0.01
"""Relative difference up to which two arms keep the same fraction: scopes round differently."""


@dataclass(frozen=True)
class Overlap:
    """The overlap of pairs of masks.

    Attributes:
        pruning: An arm.
        round: One of its rounds.
        other: The arm it is compared with, seed by seed; None for its own other seeds.
        jaccard: Index of each pair, see `thalweg.sparsity.overlap`.
        chance: What chance alone would make of each.
    """

    pruning: Pruning
    round: Round
    other: Pruning | None
    jaccard: tuple[float, ...]
    chance: tuple[float, ...]


def overlaps(results: StudyResults, found: Sequence[Pruning]) -> list[Overlap]:
    """Return the overlaps of all pairs of masks that there are files of."""
    shelf = _Shelf(results.masks)
    pruned = [(pruning, each) for pruning in found for each in pruning.rounds]
    compared = [_between_seeds(shelf, pruning, each) for pruning, each in pruned]
    for (first, one), (second, two) in combinations(pruned, 2):
        alike = one.kept and two.kept and isclose(one.kept, two.kept, rel_tol=ALIKE)
        if alike and first.arm is not second.arm and first.panel is second.panel:
            seeds = {run["seed"]: run for run in two.runs}
            pairs = [(run, seeds[run["seed"]]) for run in one.runs if run["seed"] in seeds]
            compared.append(_between_arms(shelf, first, one, second, pairs))
    return [overlap for overlap in compared if overlap.jaccard]


def overlap_table(found: Sequence[Overlap]) -> Table:
    """Return one row a round and what it is compared with."""
    records = [
        {
            **key(overlap.pruning.panel, overlap.pruning.arm),
            "round": overlap.round.number,
            "kept": overlap.round.kept,
            "other": None if overlap.other is None else overlap.other.arm.name,
            "pairs": len(overlap.jaccard),
            "jaccard_mean": fmean(overlap.jaccard),
            "jaccard_min": min(overlap.jaccard),
            "jaccard_max": max(overlap.jaccard),
            "chance": fmean(overlap.chance),
        }
        for overlap in found
    ]
    columns = [
        *key_columns(),
        Column("round", lambda row: str(row["round"])),
        Column("kept", lambda row: kept_text(row["kept"])),
        Column("compared with", lambda row: row["other"] or "its other seeds", numeric=False),
        Column("pairs", lambda row: str(row["pairs"])),
        Column("Jaccard index", lambda row: f"{row['jaccard_mean']:.3f}"),
        Column("range", lambda row: f"{row['jaccard_min']:.3f} to {row['jaccard_max']:.3f}"),
        Column("by chance", lambda row: f"{row['chance']:.3f}"),
    ]
    return build_table(
        "mask-overlap",
        "Overlap of masks",
        "Of the weights that either of two masks keeps, the share that both keep: between the "
        "seeds of an arm, and, at the same seed, between arms that keep the same fraction. By "
        "chance is what random masks with the same number of weights in every layer come to.",
        records,
        _SCHEMA,
        columns,
    )


_SCHEMA = {
    **KEY_SCHEMA,
    "round": pl.Int64,
    "kept": pl.Float64,
    "other": pl.String,
    "pairs": pl.Int64,
    "jaccard_mean": pl.Float64,
    "jaccard_min": pl.Float64,
    "jaccard_max": pl.Float64,
    "chance": pl.Float64,
}


class _Shelf:
    """Masks by run, read when first asked for."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files
        self._masks: dict[str, Masks] = {}

    def masks(self, run: Run) -> Masks | None:
        if run["run"] not in self._files:
            return None
        if run["run"] not in self._masks:
            self._masks[run["run"]] = load_masks(self._files[run["run"]])
        return self._masks[run["run"]]


def _between_seeds(shelf: _Shelf, pruning: Pruning, each: Round) -> Overlap:
    masks = [mask for run in each.runs if (mask := shelf.masks(run)) is not None]
    if len(masks) < 2:
        return Overlap(pruning, each, None, (), ())
    found, chance = pairwise_overlap(masks)
    return Overlap(pruning, each, None, tuple(found.tolist()), tuple(chance.tolist()))


def _between_arms(
    shelf: _Shelf,
    pruning: Pruning,
    each: Round,
    other: Pruning,
    pairs: Iterable[tuple[Run, Run]],
) -> Overlap:
    found = [
        (a, b)
        for first, second in pairs
        if (a := shelf.masks(first)) is not None
        and (b := shelf.masks(second)) is not None
        and _shapes(a) == _shapes(b)
    ]
    return Overlap(
        pruning,
        each,
        other,
        tuple(jaccard(a, b) for a, b in found),
        tuple(chance_jaccard(a, b) for a, b in found),
    )


def _shapes(masks: Masks) -> dict[str, tuple[int, ...]]:
    return {name: tuple(mask.shape) for name, mask in masks.items()}
