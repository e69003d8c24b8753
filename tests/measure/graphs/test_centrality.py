"""Centralities against networkx."""

import math

import networkx as nx
import numpy as np
import pytest
from tests.measure.graphs.drawn import GRAPHS, close, directed, undirected

from thalweg.measure.graphs import Graph, measure_graph
from thalweg.measure.graphs.centrality import betweenness, pagerank
from thalweg.measure.graphs.unevenness import gini


def of_definition(values: list[float]) -> float:
    x = np.array(values)
    return float(np.abs(x[:, None] - x).sum() / (2 * len(x) ** 2 * x.mean()))


def check(found: dict[str, float], name: str, values: list[float]) -> None:
    close(found[f"{name}_max"], max(values))
    close(found[f"{name}_gini"], of_definition(values) if any(values) else math.nan)


@pytest.mark.parametrize("graph", GRAPHS)
def test_betweenness_and_closeness(graph: Graph) -> None:
    recurrent = graph.kind == "recurrent"
    whole = directed(graph) if recurrent else undirected(graph)
    found = measure_graph(graph)
    expected = nx.betweenness_centrality(whole)
    if graph.units > 2:
        check(found, "betweenness", list(expected.values()))
        close(betweenness(graph).sum(), sum(expected.values()))
    else:
        assert math.isnan(found["betweenness_max"])
    parts = nx.strongly_connected_components if recurrent else nx.connected_components
    inside = max(sorted(parts(whole), key=min), key=len)
    if len(inside) > 1:
        check(found, "closeness", list(nx.closeness_centrality(whole.subgraph(inside)).values()))
    else:
        assert math.isnan(found["closeness_max"])


@pytest.mark.parametrize("graph", [each for each in GRAPHS if "recurrent" in str(each.id)])
def test_pagerank(graph: Graph) -> None:
    expected = nx.pagerank(directed(graph), tol=1e-15, max_iter=1000)
    assert pagerank(graph) == pytest.approx([expected[u] for u in range(graph.units)], rel=1e-9)
    check(measure_graph(graph), "pagerank", list(expected.values()))


def test_pagerank_is_of_recurrent_graphs() -> None:
    found = measure_graph(Graph.bipartite("layer", np.ones((3, 4), dtype=np.bool_)))
    assert math.isnan(found["pagerank_max"])


def test_the_centre_of_a_star_lies_on_all_paths() -> None:
    found = measure_graph(Graph.bipartite("star", np.ones((1, 6), dtype=np.bool_)))
    assert (found["betweenness_max"], found["closeness_max"]) == (1, 1)
    assert found["betweenness_gini"] == pytest.approx(6 / 7)  # one of seven has everything


def test_gini_of_nothing() -> None:
    assert math.isnan(gini(np.empty(0))) and math.isnan(gini(np.zeros(3)))
    assert gini(np.full(5, 2.0)) == 0
