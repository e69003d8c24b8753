"""How alike the masks of tickets are: between seeds, and between arms that keep as much."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isclose, isnan
from pathlib import Path
from statistics import fmean

import polars as pl

from thalweg.report.rounds import Pruning, Round, kept_text
from thalweg.report.table import KEY_SCHEMA, Column, Table, build_table, key, key_columns
from thalweg.sparsity import load_masks
from thalweg.sparsity.masks import Masks
from thalweg.sparsity.overlap import Overlaps, pairwise_overlap
from thalweg.sparsity.topology import chance_topology_distance, topology_distance
from thalweg.store.results import StudyResults
from thalweg.study.panels import Run

MATCHED = 3
"""Pairs whose units are matched for the topology distance."""

ALIKE = 0.01
"""Relative difference up to which two arms keep the same fraction: scopes round differently."""


@dataclass(frozen=True)
class Overlap:
    """The overlap of pairs of masks.

    Attributes:
        pruning: An arm.
        round: One of its rounds.
        other: The arm it is compared with, seed by seed; None for its own other seeds.
        pairs: How many.
        figures: Of each pair, by column; see `thalweg.sparsity.overlap`. The topology distance,
            which takes long, is of the first three alone.
    """

    pruning: Pruning
    round: Round
    other: Pruning | None
    pairs: int
    figures: dict[str, tuple[float, ...]]


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
    return [overlap for overlap in compared if overlap.pairs]


def overlap_table(found: Sequence[Overlap]) -> Table:
    """Return one row a round and what it is compared with."""
    records = [
        {
            **key(overlap.pruning.panel, overlap.pruning.arm),
            "round": overlap.round.number,
            "kept": overlap.round.kept,
            "other": None if overlap.other is None else overlap.other.arm.name,
            "pairs": overlap.pairs,
            "jaccard_mean": fmean(overlap.figures["jaccard"]),
            "jaccard_min": min(overlap.figures["jaccard"]),
            "jaccard_max": max(overlap.figures["jaccard"]),
            **{name: _mean(overlap.figures[name]) for name in _MEANS},
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
        Column("Hamming distance", lambda row: f"{row['hamming']:.3f}"),
        Column("by chance", lambda row: f"{row['hamming_chance']:.3f}"),
        Column("topology distance", lambda row: _text(row["topology"])),
        Column("by chance", lambda row: _text(row["topology_chance"])),
    ]
    return build_table(
        "mask-overlap",
        "Overlap of masks",
        "Between the seeds of an arm, and, at the same seed, between arms that keep the same "
        "fraction. Jaccard index: of the weights that either of two masks keeps, the share that "
        "both keep. Hamming distance: the share of all weights that one keeps and the other does "
        "not. Topology distance: by how much what a unit reads differs, once the hidden units are "
        "put in the order in which it differs least; of the first three pairs. By chance is what "
        "random masks with the same number of weights in every layer come to.",
        records,
        _SCHEMA,
        columns,
    )


def _mean(values: Sequence[float]) -> float | None:
    """Return a mean; None where it is undefined, as the topology distance may be."""
    mean = fmean(values)
    return None if isnan(mean) else mean


def _text(mean: float | None) -> str:
    return "—" if mean is None else f"{mean:.3f}"


_MEANS = ("chance", "hamming", "hamming_chance", "topology", "topology_chance")

_SCHEMA = {
    **KEY_SCHEMA,
    "round": pl.Int64,
    "kept": pl.Float64,
    "other": pl.String,
    "pairs": pl.Int64,
    "jaccard_mean": pl.Float64,
    "jaccard_min": pl.Float64,
    "jaccard_max": pl.Float64,
    **dict.fromkeys(_MEANS, pl.Float64),
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
    found = [pairwise_overlap(masks)] if masks else []
    return _overlap(pruning, each, None, found, [*combinations(masks, 2)])


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
    return _overlap(pruning, each, other, [pairwise_overlap(pair) for pair in found], found)


def _overlap(
    pruning: Pruning,
    each: Round,
    other: Pruning | None,
    found: Sequence[Overlaps],
    pairs: Sequence[tuple[Masks, Masks]],
) -> Overlap:
    some = pairs[:MATCHED]
    figures = {
        "jaccard": [value for own in found for value in own.jaccard.tolist()],
        "chance": [value for own in found for value in own.chance_jaccard.tolist()],
        "hamming": [value for own in found for value in own.hamming.tolist()],
        "hamming_chance": [value for own in found for value in own.chance_hamming.tolist()],
        "topology": [topology_distance(*pair) for pair in some],
        "topology_chance": [chance_topology_distance(*pair) for pair in some[:1]],
    }
    by_name = {name: tuple(values) for name, values in figures.items()}
    return Overlap(pruning, each, other, len(pairs), by_name)


def _shapes(masks: Masks) -> dict[str, tuple[int, ...]]:
    return {name: tuple(mask.shape) for name, mask in masks.items()}
