"""How far the units of a graph are from one another."""

import math

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from thalweg.measure.graphs.graph import Graph

AT_ONCE = 512
"""Units from which paths are followed side by side, one bit each."""

BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(1)
"""How many bits of a byte are set."""


def path_lengths(graph: Graph) -> dict[str, float]:
    """Return the mean and the greatest length of the shortest paths between two units of the
    largest component, in edges.

    In a recurrent graph paths follow the edges' direction, within the largest strong component; in
    the others directions are ignored, within the largest weak one. The mean is NaN where that is a
    single unit. Of equally large components it is the first.
    """
    links = graph.adjacency
    connection = "strong" if graph.kind == "recurrent" else "weak"
    _, labels = connected_components(links, connection=connection)
    inside = np.flatnonzero(labels == np.bincount(labels).argmax())
    if len(inside) == 1:
        return {"path_length": math.nan, "diameter": 0.0}
    links = links[inside][:, inside]
    total, diameter = _all_lengths(
        links if graph.kind == "recurrent" else csr_array(links + links.T)
    )
    return {
        "path_length": total / (len(inside) * (len(inside) - 1)),
        "diameter": float(diameter),
    }


def _all_lengths(links: csr_array) -> tuple[int, int]:
    """Return the sum and the maximum of the lengths of all shortest paths of a component of more
    than one unit; ``links`` are to and from.

    A unit's bits tell from which others a path of at most so many edges leads to it; those of the
    units one edge before it tell more. A pair at distance d is missing d times.
    """
    units = links.shape[0]
    total = longest = 0
    for first in range(0, units, AT_ONCE):
        starts = np.arange(first, min(first + AT_ONCE, units))
        identity = np.zeros((units, AT_ONCE), np.bool_)
        identity[starts, starts - first] = True
        reached = np.packbits(identity, axis=1).view(np.uint64)
        length = 0
        while missing := units * len(starts) - int(BITS[reached.view(np.uint8)].sum()):
            total += missing
            length += 1
            # Every unit of the component has an edge to it, so no row is empty.
            reached |= np.bitwise_or.reduceat(reached[links.indices], links.indptr[:-1], axis=0)
        longest = max(longest, length)
    return total, longest
