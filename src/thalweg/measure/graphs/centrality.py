"""Which units lie on many paths, and where walks end up."""

import numpy as np
from scipy.linalg import solve

from thalweg.measure.graphs.graph import Floats, Graph
from thalweg.measure.graphs.unevenness import unevenness

DAMPING = 0.85
"""Probability that a walk goes on along an edge."""


def centrality(graph: Graph) -> dict[str, float]:
    """Return the greatest centrality of a unit, and how unevenly it is spread, by two measures.

    - ``betweenness``: share of the pairs of other units whose shortest path leads through the unit,
      a pair counting by the share of its shortest paths that do; along the edges' directions in
      recurrent graphs, without directions in the others;
    - ``pagerank``: how often a walk is at the unit that follows the edges' directions and, with
      probability 0.15 or where there is none, starts anew anywhere. Of recurrent graphs alone:
      without recurrence all walks end in the outputs.

    Source: Freeman, Sociometry 40 (1977); Brandes, J. Math. Sociol. 25 (2001); Page et al., The
    PageRank citation ranking, 1999.
    """
    found = unevenness("betweenness", betweenness(graph))
    return found | unevenness("pagerank", pagerank(graph)) if graph.kind == "recurrent" else found


def betweenness(graph: Graph) -> Floats:
    """Return the betweenness of each unit, ``(units,)``; empty if there are fewer than three."""
    pairs = (graph.units - 1) * (graph.units - 2)
    if pairs <= 0:
        return np.empty(0)
    if graph.kind == "recurrent":
        return np.array(graph.library.betweenness()) / pairs
    plain = graph.library.as_undirected(mode="collapse")
    return 2 * np.array(plain.betweenness()) / pairs


def pagerank(graph: Graph) -> Floats:
    """Return the PageRank of each unit, ``(units,)``, adding up to 1.

    The solution of (I − 0.85·P)·x ∝ 1, with P the chances of each step; a unit without an edge away
    from it sends a walk anywhere.
    """
    links = graph.adjacency.toarray().astype(np.float64)
    out = links.sum(0)
    steps = np.divide(links, out, out=np.full_like(links, 1 / graph.units), where=out > 0)
    found: Floats = solve(np.eye(graph.units) - DAMPING * steps, np.ones(graph.units))
    found /= found.sum()
    return found
