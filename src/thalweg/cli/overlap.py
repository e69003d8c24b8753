"""The command that compares masks: overlap."""

from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

import typer

from thalweg import api
from thalweg.cli.output import print_json, print_table, prints_aside
from thalweg.cli.parameters import Json, Out
from thalweg.errors import InputError
from thalweg.sparsity import load_masks
from thalweg.sparsity.masks import Masks
from thalweg.sparsity.overlap import pairwise_overlap
from thalweg.sparsity.topology import chance_topology_distance, topology_distance
from thalweg.store import Store
from thalweg.store.find import find_run
from thalweg.tensor_files import SUFFIXES


def overlap(
    what: Annotated[
        list[str],
        typer.Argument(
            help="Two or more runs, by id, its beginning or STUDY/ARM\\[/POINT]/SEED, or files of "
            f"masks ({', '.join(SUFFIXES)}).",
            metavar="RUN|FILE...",
        ),
    ],
    draws: Annotated[
        int,
        typer.Option("--draws", min=1, help="Pairs of random masks by which chance is estimated."),
    ] = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the random masks.")] = 0,
    out: Out = api.DEFAULT_OUT,
    as_json: Json = False,
) -> None:
    """Print how alike masks are, pair by pair, and how alike chance alone would make them."""
    if len(what) < 2:
        raise InputError(f"{what[0]}: must be compared with at least one other")
    with prints_aside():
        masks = [_masks(each, out) for each in what]
        rows = _rows(what, masks, draws, seed)
    if as_json:
        print_json({"pairs": rows, "draws": draws, "seed": seed})
    else:
        print_table(rows)


def _masks(what: str, out: Path) -> Masks:
    path = Path(what)
    if path.suffix in SUFFIXES:
        if not path.exists():
            raise InputError(f"{path}: does not exist")
        return load_masks(path)
    masks = find_run(Store(out), what).masks()
    if masks is None:
        raise InputError(f"{what}: has no mask")
    return masks


def _rows(what: list[str], masks: list[Masks], draws: int, seed: int) -> list[dict[str, Any]]:
    found = pairwise_overlap(masks)
    pairs = zip(combinations(what, 2), combinations(masks, 2), strict=True)
    return [
        {
            "first": names[0],
            "second": names[1],
            "jaccard": float(found.jaccard[i]),
            "jaccard_by_chance": float(found.chance_jaccard[i]),
            "hamming": float(found.hamming[i]),
            "hamming_by_chance": float(found.chance_hamming[i]),
            "topology": topology_distance(*pair),
            "topology_by_chance": chance_topology_distance(*pair, draws, seed),
        }
        for i, (names, pair) in enumerate(pairs)
    ]
