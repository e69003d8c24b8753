"""How far the units of a graph are from one another."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from thalweg.measure.graphs.graph import Graph, Integers
from thalweg.measure.graphs.unevenness import unevenness

AT_ONCE = 512
"""Units from which paths are followed side by side, one bit each."""

BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1, dtype=np.int64)
"""How many bits of a byte are set."""


def path_lengths(graph: Graph) -> dict[str, float]:
    """Return the mean and the greatest length of the shortest paths between two units of the
    largest component, in edges, and its units' closeness.

    In a recurrent graph paths follow the edges' direction, within the largest strong component; in
    the others directions are ignored, within the largest weak one. Of equally large components it
    is the first. The closeness of a unit is 1 over the mean length of the paths to it from the
    others. All but the diameter are NaN where the component is a single unit.

    Source: Freeman, Social Networks 1 (1978).
    """
    links = graph.adjacency
    connection = "strong" if graph.kind == "recurrent" else "weak"
    _, labels = connected_components(links, connection=connection)
    inside = np.flatnonzero(labels == np.bincount(labels).argmax())
    others = len(inside) - 1
    if not others:
        undefined = ("path_length", "closeness_max", "closeness_gini")
        return {"diameter": 0.0, **dict.fromkeys(undefined, math.nan)}
    links = links[inside][:, inside]
    totals, diameter = _all_lengths(
        links if graph.kind == "recurrent" else csr_array(links + links.T)
    )
    return {
        "path_length": float(totals.sum()) / (len(inside) * others),
        "diameter": float(diameter),
        **unevenness("closeness", others / totals),
    }


def _all_lengths(links: csr_array) -> tuple[Integers, int]:
    """Return the sum of the lengths of the shortest paths to each unit of a component of more than
    one, and the maximum of all; ``links`` are to and from.

    A unit's bits tell from which others a path of at most so many edges leads to it; those of the
    units one edge before it tell more. A path of length d is missing d times.
    """
    units = links.shape[0]
    totals = np.zeros(units, np.int64)
    longest = 0
    for first in range(0, units, AT_ONCE):
        starts = np.arange(first, min(first + AT_ONCE, units))
        identity = np.zeros((units, AT_ONCE), np.bool_)
        identity[starts, starts - first] = True
        reached = np.packbits(identity, axis=1).view(np.uint64)
        length = 0
        while (missing := len(starts) - _bits(reached)).any():
            totals += missing
            length += 1
            # Every unit of the component has an edge to it, so no row is empty.
            reached |= np.bitwise_or.reduceat(reached[links.indices], links.indptr[:-1], axis=0)
        longest = max(longest, length)
    return totals, longest


def _bits(words: NDArray[np.uint64]) -> Integers:
    """Return how many bits of each row are set."""
    found: Integers = BITS[words.view(np.uint8)].sum(1)
    return found
