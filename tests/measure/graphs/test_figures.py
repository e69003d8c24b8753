"""Values beside what random graphs would have."""

import math

import networkx as nx
import numpy as np
import pytest
from tests.measure.graphs.drawn import directed, drawn, undirected

from thalweg.measure.graphs import MEASURES, Block, Graph, graph_figures, measure_graph
from thalweg.measure.graphs.lattice import ring


def rows(figures: dict[str, object], null: str, layer: str) -> dict[str, list[float]]:
    nulls = figures["nulls"]
    assert isinstance(nulls, list)
    return {row[2]: row[3:] for row in nulls if row[:2] == [null, layer]}


def test_values_are_those_of_the_graphs() -> None:
    graphs = [Graph.bipartite("a", drawn(9, 7, 0.4)), Graph.recurrent("b", drawn(8, 8, 0.4))]
    found = graph_figures(graphs, 0, 0)
    counts = {"in_degree_counts", "out_degree_counts", "clustering_counts"}
    fits = {"power_law_fit", "exponential_fit"}
    assert set(found) == {"layer", "kind", "units", "edges", *MEASURES, *counts, *fits}
    assert found["layer"] == ["a", "b"]
    assert found["edges"] == [int(graph.blocks[0].links.sum()) for graph in graphs]
    for index, graph in enumerate(graphs):
        own = {name: found[name][index] for name in MEASURES}
        assert own == pytest.approx(measure_graph(graph), nan_ok=True)


def test_histograms_count_the_units() -> None:
    links = drawn(30, 20, 0.3)
    blocks = (Block(links, first_target=20), Block(drawn(5, 30, 0.5), 50, 20))
    graphs = [
        Graph.bipartite("layer", links),
        Graph.recurrent("state", links[:20]),
        Graph("network", "network", 55, blocks),
    ]
    found = graph_figures(graphs, 0, 0)
    of_targets, of_sources = links.sum(1), links.sum(0)
    assert found["in_degree_counts"][0] == np.bincount(of_targets).tolist()
    assert found["out_degree_counts"][0] == np.bincount(of_sources).tolist()
    assert sum(found["in_degree_counts"][2]) == 35 and sum(found["out_degree_counts"][2]) == 50
    local = nx.bipartite.latapy_clustering(undirected(graphs[0]))
    expected, _ = np.histogram(list(local.values()), 100, (0, 1))
    assert found["clustering_counts"][0] == expected.tolist()
    arrows = directed(graphs[1])
    arrows.remove_edges_from(list(nx.selfloop_edges(arrows)))
    expected, _ = np.histogram(list(nx.clustering(arrows).values()), 100, (0, 1))
    assert found["clustering_counts"][1] == expected.tolist()
    assert found["clustering_counts"][2] == []


def test_a_random_mask_is_like_its_nulls_and_a_block_is_not() -> None:
    halves = np.kron(np.eye(2, dtype=np.bool_), np.ones((20, 20), dtype=np.bool_))
    blocks = halves & drawn(40, 40, 0.4)
    graphs = [Graph.bipartite("random", drawn(40, 40, 0.2)), Graph.bipartite("blocks", blocks)]
    found = graph_figures(graphs, 30, seed=1)
    for null in ("degrees", "edges"):
        value, mean, low, high, z = rows(found, null, "blocks")["robins_alexander"]
        assert low < mean < high < value and z > 10
        value, mean, low, high, z = rows(found, null, "random")["robins_alexander"]
        assert low < mean < high and abs(z) < 3
        assert mean == pytest.approx(value, rel=0.1)
    assert found["robins_alexander_z"][1] > 10 > abs(found["robins_alexander_z"][0])
    assert "in_degree_variance" in rows(found, "degrees", "blocks")
    assert math.isnan(rows(found, "degrees", "blocks")["in_degree_variance"][-1])
    assert math.isfinite(found["in_degree_variance_z"][1])  # against as many edges
    again = graph_figures(graphs, 30, seed=1)
    assert again["nulls"][:5] == found["nulls"][:5]
    assert graph_figures(graphs, 30, seed=2)["latapy_z"] != found["latapy_z"]


def test_a_ring_with_shortcuts_is_a_small_world() -> None:
    small = nx.connected_watts_strogatz_graph(80, 8, 0.1, seed=0)
    random = nx.connected_watts_strogatz_graph(80, 8, 1.0, seed=0)
    graphs = [
        Graph.recurrent(name, nx.to_numpy_array(each) > 0)
        for name, each in (("small", small), ("random", random))
    ]
    found = graph_figures(graphs, 20, 0)
    sigma = found["small_world"]
    assert sigma[0] > 2.5 and sigma[1] == pytest.approx(1, abs=0.3)
    nulls = rows(found, "degrees", "small")
    C, L = nulls["clustering"], nulls["path_length"]
    assert sigma[0] == pytest.approx((C[0] / C[1]) / (L[0] / L[1]), rel=1e-9)
    assert nulls["small_world"][2] < 1 < nulls["small_world"][3]
    omega = found["small_world_omega"]
    assert omega[0] < 0.1 < 0.5 < omega[1]
    lattice = 3 * (8 - 2) / (4 * (8 - 1))  # the clustering of a ring of eight neighbours each
    expected = L[1] / L[0] - C[0] / lattice
    assert omega[0] == pytest.approx(expected, abs=0.02)  # some have seven or nine


def test_a_lattice_is_its_own_ring() -> None:
    lattice = nx.to_numpy_array(nx.watts_strogatz_graph(40, 6, 0)) > 0
    graph = Graph.recurrent("lattice", lattice | np.eye(40, dtype=np.bool_))
    assert np.array_equal(ring(graph).blocks[0].links, lattice)
    found = graph_figures([graph], 10, 0)
    nulls = rows(found, "degrees", "lattice")["path_length"]
    assert found["small_world_omega"][0] == pytest.approx(nulls[1] / nulls[0] - 1)


def test_a_ring_keeps_what_each_unit_receives() -> None:
    links = drawn(25, 25, 0.4, 2)
    np.fill_diagonal(links, False)
    found = ring(Graph.recurrent("state", links)).blocks[0].links
    assert sorted(found.sum(1)) == sorted(links.sum(1))
    assert not found.diagonal().any()


@pytest.mark.parametrize("links", [np.zeros((4, 5)), np.ones((4, 5)), np.eye(4)])
def test_where_nothing_is_random_there_is_no_score(links: np.ndarray) -> None:
    links = links.astype(np.bool_)
    graphs = [Graph.bipartite("layer", links)]
    if links.shape[0] == links.shape[1]:
        graphs = [Graph.recurrent("loops", links)]
    found = graph_figures(graphs, 4, 0)
    assert set(found) >= {f"{name}_z" for name in MEASURES}
    if links.shape[0] != links.shape[1]:
        assert all(math.isnan(found[f"{name}_z"][0]) for name in MEASURES)
