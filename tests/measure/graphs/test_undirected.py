"""Graphs without directions against networkx."""

import math

import networkx as nx
import numpy as np
import pytest
import torch
from tests.measure.graphs.drawn import drawn, undirected

from thalweg.measure.graphs import Graph, mask_graphs
from thalweg.measure.graphs.undirected import undirected_small_world


def oracle(graph: Graph) -> nx.Graph:
    found = undirected(graph)
    found.remove_edges_from(list(nx.selfloop_edges(found)))
    return found


def joined() -> Graph:
    masks = {
        "rnn.weight_ih_l0": torch.from_numpy(drawn(12, 6, 0.5, seed=1)),
        "rnn.weight_hh_l0": torch.from_numpy(drawn(12, 12, 0.2, seed=2)),
        "rnn.weight_ih_l1": torch.from_numpy(drawn(12, 12, 0.3, seed=3)),
        "rnn.weight_hh_l1": torch.from_numpy(drawn(12, 12, 0.2, seed=4)),
        "fc.weight": torch.from_numpy(drawn(4, 12, 0.5, seed=5)),
    }
    graph = mask_graphs(masks)[-1]
    assert graph.kind == "network"
    return graph


@pytest.mark.parametrize(
    "graph",
    [
        Graph.recurrent("dense enough", drawn(30, 30, 0.2)),
        Graph.recurrent("in parts", drawn(30, 30, 0.03)),
        joined(),
    ],
    ids=["layer", "parts", "network"],
)
def test_figures_agree_with_networkx(graph: Graph) -> None:
    found = undirected_small_world(graph, draws=3, seed=0)
    whole = oracle(graph)
    largest = whole.subgraph(max(nx.connected_components(whole), key=len))
    assert (found["nodes"], found["edges"]) == (len(whole), whole.number_of_edges())
    assert (found["LCC_nodes"], found["LCC_edges"]) == (len(largest), largest.number_of_edges())
    assert found["LCC_coverage"] == len(largest) / len(whole)
    assert found["C"] == pytest.approx(nx.average_clustering(largest))
    assert found["L"] == pytest.approx(nx.average_shortest_path_length(largest))
    ratio = (found["C"] / found["C_rand"]) / (found["L"] / found["L_rand"])
    assert found["sigma"] == pytest.approx(ratio)
    assert found == undirected_small_world(graph, draws=3, seed=0)


def test_a_random_graph_is_as_small_a_world_as_chance_and_a_ring_is_not() -> None:
    random = undirected_small_world(Graph.recurrent("", drawn(100, 100, 0.1)), 10, seed=1)
    assert 0.9 < random["sigma"] < 1.1
    apart = np.abs(np.subtract.outer(np.arange(100), np.arange(100)))
    ring_links = np.minimum(apart, 100 - apart) <= 3
    ring = undirected_small_world(Graph.recurrent("", ring_links), 10, seed=1)
    # Of a ring of six neighbours C is 3(6 − 2)/(4(6 − 1)).
    assert ring["C"] == pytest.approx(0.6)
    assert ring["sigma"] > 2


def test_figures_of_what_has_no_triangle_are_undefined() -> None:
    alone = undirected_small_world(Graph.recurrent("", np.eye(3, dtype=bool)), 2, seed=0)
    assert (alone["edges"], alone["LCC_nodes"]) == (0, 1)
    assert math.isnan(alone["sigma"])
