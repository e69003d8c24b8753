"""How often the neighbours of a unit are neighbours of one another, or share others."""

import math

import numpy as np
from numpy.typing import NDArray

from thalweg.measure.graphs.graph import Floats, Graph


def bipartite_clustering(graph: Graph) -> dict[str, float]:
    r"""Return three measures of clustering of a bipartite graph, in which no triangle exists.

    With C₄ the number of cycles of four edges, L₃ of paths of three, N(u) the neighbours of u and
    k_u their number:

    - ``robins_alexander``: 4·C₄/L₃, the share of paths of three edges that a fourth closes; NaN
      where there is none.
    - ``latapy``: mean over the units u, of both sides, of the mean over v in N(N(u)) \ {u} of
      |N(u) ∩ N(v)|/|N(u) ∪ N(v)|; 0 for a unit without such v.
    - ``square_clustering``: mean over the units v of Σ q(u, w)/Σ [k_u + k_w − 2 − q(u, w)] over the
      pairs of neighbours u, w, which share q(u, w) units beside v; 0 where the sum is empty.

    All follow from the numbers of shared neighbours, B·Bᵀ and Bᵀ·B.

    Source: Robins and Alexander, Comput. Math. Organ. Theory 10 (2004); Latapy, Magnien and Del
    Vecchio, Social Networks 30 (2008); Zhang et al., Physica A 387 (2008).
    """
    of_targets, of_sources = graph.shared
    targets, sources = np.diagonal(of_targets), np.diagonal(of_sources)
    B = graph.blocks[0].links.astype(np.float64)
    pairs = of_targets * (of_targets - 1) / 2
    cycles = (pairs.sum() - np.trace(pairs)) / 2
    paths = float((targets - 1) @ (B @ (sources - 1)))
    square = np.concatenate(
        [_square(of_targets, targets, B @ sources), _square(of_sources, sources, B.T @ targets)]
    )
    return {
        "robins_alexander": 4 * float(cycles) / paths if paths else math.nan,
        "latapy": float(local_clustering(graph).mean()),
        "square_clustering": float(square.mean()),
    }


def local_clustering(graph: Graph) -> Floats:
    """Return the clustering of each unit, ``(units,)``: Latapy's of a bipartite graph, Fagiolo's of
    a recurrent one. Empty for a network, of which neither is taken.
    """
    if graph.kind == "network":
        return np.empty(0)
    if graph.kind == "recurrent":
        return _fagiolo(graph.blocks[0].links.astype(np.float32))
    of_targets, of_sources = graph.shared
    return np.concatenate([_latapy(of_sources), _latapy(of_targets)])


def _latapy(shared: Floats) -> Floats:
    """Return the clustering of each unit of one side, given how many neighbours each two share."""
    degrees = np.diagonal(shared)
    second = shared > 0
    np.fill_diagonal(second, False)
    union = degrees[:, None] + degrees - shared
    overlap = np.divide(shared, union, out=np.zeros_like(shared), where=second).sum(1)
    count = second.sum(1)
    found: Floats = np.divide(overlap, count, out=np.zeros_like(overlap), where=count > 0)
    return found


def _square(shared: Floats, degrees: Floats, neighbour_degrees: Floats) -> Floats:
    """Return the square clustering of each unit of one side.

    The neighbours u ≠ w of v share Σ_x C(shared_vx, 2) units x other than v, over all pairs.
    """
    pairs = shared * (shared - 1) / 2
    squares = pairs.sum(1) - np.diagonal(pairs)
    possible = (degrees - 1) * neighbour_degrees - degrees * (degrees - 1) - squares
    found: Floats = np.divide(squares, possible, out=np.zeros_like(squares), where=possible > 0)
    return found


def recurrent_clustering(graph: Graph) -> dict[str, float]:
    """Return the mean clustering coefficient of the units of a directed graph, without self-loops:
    the share of the possible directed triangles at a unit that exist,

        c_u = (A + Aᵀ)³_uu / (2·(k_u(k_u − 1) − 2·r_u)),

    with k_u the in- and out-degree together and r_u the number of edges at u that run both ways;
    0 where no triangle is possible.

    Source: Fagiolo, Phys. Rev. E 76 (2007).
    """
    return {"clustering": float(local_clustering(graph).mean())}


def _fagiolo(A: NDArray[np.float32]) -> Floats:
    np.fill_diagonal(A, 0)
    both = A + A.T
    triangles = ((both @ both) * both).sum(1, dtype=np.float64)
    degrees = both.sum(1, dtype=np.float64)
    mutual = (A * A.T).sum(1, dtype=np.float64)
    possible = 2 * (degrees * (degrees - 1) - 2 * mutual)
    found: Floats = np.divide(triangles, possible, out=np.zeros_like(triangles), where=possible > 0)
    return found
