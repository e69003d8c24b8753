"""A graph without its directions, as published analyses of masks look at it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from thalweg.measure.graphs.graph import Block, Graph, Integers

if TYPE_CHECKING:
    import igraph


def undirected(graph: Graph) -> "igraph.Graph":
    """Return the same units, two of them connected if an edge leads either way; no self-loops."""
    return _joined(graph.units, [_places(block)[_linked(block)] for block in graph.blocks])


def undirected_small_world(graph: Graph, draws: int, seed: int) -> dict[str, float]:
    """Return the size of a graph and of its largest component without directions, and how small a
    world that is.

    Args:
        graph: Any.
        draws: Random graphs with as many such edges in each weight matrix, at least 1.
        seed: Of the draws.

    Returns:
        ``nodes`` and ``edges``; ``LCC_nodes`` and ``LCC_edges`` of the largest component and
        ``LCC_coverage``, its share of the units; ``C``, the mean over its units of the local
        clustering coefficient (0 where a unit has less than two neighbours), and ``L``, the mean
        length of the shortest paths between two; ``C_rand`` and ``L_rand``, their means over the
        draws, of each draw in its own largest component; and ``sigma``, (C/C_rand)/(L/L_rand).
        NaN where there is no path or no triangle to divide by.

    Source: Watts and Strogatz, Nature 393 (1998); Humphries and Gurney, PLoS ONE 3 (2008).
    """
    whole = undirected(graph)
    largest = whole.connected_components().giant()
    C, L = _clustering_and_length(whole)
    random = np.random.default_rng(seed)
    found = [_clustering_and_length(_drawn(graph, random)) for _ in range(draws)]
    C_rand, L_rand = np.mean(found, axis=0).tolist()
    return {
        "sigma": C * L_rand / (C_rand * L) if C_rand and L else math.nan,
        "C": C,
        "L": L,
        "C_rand": C_rand,
        "L_rand": L_rand,
        "nodes": whole.vcount(),
        "edges": whole.ecount(),
        "LCC_nodes": largest.vcount(),
        "LCC_edges": largest.ecount(),
        "LCC_coverage": largest.vcount() / whole.vcount(),
    }


def _clustering_and_length(graph: "igraph.Graph") -> tuple[float, float]:
    largest = graph.connected_components().giant()
    clustering = largest.transitivity_avglocal_undirected(mode="zero")
    return clustering, largest.average_path_length(directed=False)


def _drawn(graph: Graph, random: np.random.Generator) -> "igraph.Graph":
    """Draw a graph with as many edges in each weight matrix, at places drawn uniformly."""
    found = []
    for block in graph.blocks:
        places = _places(block)
        found.append(random.choice(places, np.count_nonzero(_linked(block)), replace=False))
    return _joined(graph.units, found)


def _places(block: Block) -> Integers:
    """Return the pairs of units that a weight matrix could connect, ``(pairs, 2)``."""
    rows, columns = block.links.shape
    if block.first_source == block.first_target:
        return np.column_stack(np.triu_indices(rows, 1)) + block.first_target
    targets, sources = np.indices((rows, columns)).reshape(2, -1)
    return np.column_stack((targets + block.first_target, sources + block.first_source))


def _linked(block: Block) -> NDArray[np.bool_]:
    """Return which of these pairs it connects."""
    if block.first_source == block.first_target:
        return (block.links | block.links.T)[np.triu_indices(len(block.links), 1)]
    return block.links.ravel()


def _joined(units: int, edges: Sequence[Integers]) -> "igraph.Graph":
    import igraph  # takes Matplotlib with it: half a second

    return igraph.Graph(units, np.concatenate(edges))
