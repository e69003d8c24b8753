"""Counts of motifs against a count one by one, and against networkx's census of triads."""

import math
from itertools import combinations, permutations

import networkx as nx
import numpy as np
import pytest
from tests.measure.graphs.drawn import GRAPHS, directed, drawn

from thalweg.measure.graphs import Graph, measure_graph

LOOPS = {"030T": 1, "120D": 2, "120U": 2, "120C": 1, "210": 3, "300": 6}
CYCLES = {"030C": 1, "120C": 1, "210": 1, "300": 2}
"""How often a triad of each kind contains the pattern."""


def pairs(count: int) -> int:
    return count * (count - 1) // 2


@pytest.mark.parametrize("graph", GRAPHS)
def test_counts(graph: Graph) -> None:
    arrows = directed(graph)
    arrows.remove_edges_from(list(nx.selfloop_edges(arrows)))
    after = {u: set(arrows.successors(u)) for u in arrows}
    before = {u: set(arrows.predecessors(u)) for u in arrows}
    found = measure_graph(graph)
    assert found["bifans"] == sum(
        pairs(len((after[u] & after[v]) - {u, v})) for u, v in combinations(arrows, 2)
    )
    if graph.kind == "bipartite":
        assert all(math.isnan(found[n]) for n in ("mutual", "cycles", "biparallels"))
        return
    assert found["biparallels"] == sum(
        pairs(len((after[u] & before[x]) - {u, x})) for u, x in permutations(arrows, 2)
    )
    census = nx.triadic_census(arrows)
    assert found["feed_forward_loops"] == sum(n * census[kind] for kind, n in LOOPS.items())
    assert found["cycles"] == sum(n * census[kind] for kind, n in CYCLES.items())
    assert found["mutual"] == sum(arrows.has_edge(v, u) for u, v in arrows.edges) / 2


def test_of_complete_graphs() -> None:
    layer = measure_graph(Graph.bipartite("K", np.ones((4, 6), dtype=np.bool_)))
    assert layer["bifans"] == pairs(4) * pairs(6)
    state = measure_graph(Graph.recurrent("K", np.ones((5, 5), dtype=np.bool_)))
    assert (state["mutual"], state["feed_forward_loops"], state["cycles"]) == (10, 60, 20)
    assert (state["bifans"], state["biparallels"]) == (pairs(5) * pairs(3), 20 * pairs(3))


def test_counts_above_single_precision() -> None:
    links = drawn(300, 400, 0.9)
    shared = (links.astype(np.int64) @ links.T.astype(np.int64))[np.triu_indices(300, 1)]
    expected = int((shared * (shared - 1) // 2).sum())
    assert expected > 2**24
    assert measure_graph(Graph.bipartite("large", links))["bifans"] == expected
