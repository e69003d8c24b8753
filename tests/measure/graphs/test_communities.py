"""Modularity against networkx, and of graphs whose groups are known."""

import math

import networkx as nx
import numpy as np
import pytest
from tests.measure.graphs.drawn import GRAPHS, close, drawn

from thalweg.measure.graphs import Graph, measure_graph
from thalweg.measure.graphs.communities import communities


@pytest.mark.parametrize("graph", GRAPHS)
def test_modularity_is_that_of_the_groups(graph: Graph) -> None:
    plain = nx.MultiGraph()
    plain.add_nodes_from(range(graph.units))
    targets, sources = graph.edges
    pairs = zip(targets.tolist(), sources.tolist(), strict=True)
    plain.add_edges_from((t, s) for t, s in pairs if t != s)
    found, groups = measure_graph(graph), communities(graph)
    if groups is None:
        assert plain.number_of_edges() == 0
        assert math.isnan(found["modularity"]) and math.isnan(found["communities"])
        return
    close(found["modularity"], nx.community.modularity(plain, [set(group) for group in groups]))
    assert found["communities"] == len(list(groups))
    greedy = nx.community.greedy_modularity_communities(nx.Graph(plain))
    assert found["modularity"] > nx.community.modularity(plain, greedy) - 0.02


def test_of_separate_groups() -> None:
    layer = np.kron(np.eye(4, dtype=np.bool_), np.ones((3, 5), dtype=np.bool_))
    found = measure_graph(Graph.bipartite("four", layer))
    close(found["modularity"], 1 - 1 / 4)
    assert found["communities"] == 4


def test_the_same_graph_has_the_same_groups() -> None:
    layer = drawn(60, 60, 0.1)
    first, second = (measure_graph(Graph.recurrent("layer", layer)) for _ in range(2))
    assert first["modularity"] == second["modularity"]
