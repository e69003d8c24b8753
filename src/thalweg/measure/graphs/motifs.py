"""How often small patterns of edges occur."""

import numpy as np

from thalweg.measure.graphs.graph import Floats, Graph


def motifs(graph: Graph) -> dict[str, float]:
    r"""Return how often five patterns occur, all of their units being different; other edges
    between the units may be there or not.

    - ``mutual``: u → v → u;
    - ``feed_forward_loops``: u → v → w and u → w;
    - ``cycles``: u → v → w → u;
    - ``bifans``: both u and v → both w and x. In a bipartite graph that is its number C₄ of cycles;
    - ``biparallels``: u → both v and w → x.

    A layer has bifans alone, and a network without recurrence no mutual edge, loop or cycle. With A
    the matrix of edges to and from, all follow from A², AᵀA and A∘A².

    Source: Milo et al., Science 298 (2002).
    """
    if graph.kind == "bipartite":
        return {"bifans": _pairs(graph.shared[0]) / 2}
    A = graph.adjacency.toarray()  # counts below 2²⁴ are exact in single precision
    np.fill_diagonal(A, 0)
    two = A @ A
    return {
        "mutual": _total(A * A.T) / 2,
        "feed_forward_loops": _total(A * two),
        "cycles": _total(A.T * two) / 3,
        "bifans": _pairs(A.T @ A) / 2,
        "biparallels": _pairs(two),
    }


def _total(values: Floats) -> float:
    return float(values.sum(dtype=np.float64))


def _pairs(ways: Floats) -> float:
    """Return Σ C(n, 2) over ordered pairs of different units, n being the ways between the two."""
    ways = ways.astype(np.float64)
    pairs = ways * (ways - 1) / 2
    return float(pairs.sum() - np.trace(pairs))
