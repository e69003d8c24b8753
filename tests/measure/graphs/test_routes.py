"""What lies on a path through a network, against networkx."""

import math
from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from tests.measure.graphs.drawn import close, directed, drawn

from thalweg.measure.graphs import Block, Graph, measure_graph


def joined(widths: list[int], density: float, seed: int, recurrent: bool) -> Graph:
    blocks, first = [], 0
    for number, (sources, targets) in enumerate(pairwise(widths)):
        first += sources
        links = drawn(targets, sources, density, seed + 10 * number)
        blocks.append(Block(links, first, first - sources))
        if recurrent:
            blocks.append(Block(drawn(targets, targets, density / 2, seed + 1), first, first))
    return Graph("network", "network", sum(widths), tuple(blocks))


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("density", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("seed", range(4))
def test_against_networkx(seed: int, density: float, recurrent: bool) -> None:
    graph = joined([6, 8, 7, 3], density, seed, recurrent)
    arrows = directed(graph)
    inputs, outputs = range(6), range(21, 24)
    reached = set(inputs).union(*(nx.descendants(arrows, unit) for unit in inputs))
    useful = reached & set(outputs).union(*(nx.ancestors(arrows, unit) for unit in outputs))
    on_path = [u in useful and v in useful for u, v in arrows.edges]
    found = measure_graph(graph)
    close(found["effective_edges"], np.mean(on_path) if on_path else math.nan)
    close(found["effective_units"], np.mean([unit in useful for unit in range(6, 21)]))
    # Edges between units of one layer are those from a state to the next step's.
    layer = np.repeat([0, 1, 2, 3], [6, 8, 7, 3])
    forward = nx.DiGraph((u, v) for u, v in arrows.edges if layer[u] != layer[v])
    forward.add_nodes_from(arrows)
    paths = sum(1 for unit in inputs for _ in nx.all_simple_paths(forward, unit, outputs))
    close(found["log10_paths"], math.log10(paths) if paths else math.nan)


def test_of_a_full_network() -> None:
    graph = joined([6, 8, 7, 3], 1.1, 0, False)
    found = measure_graph(graph)
    assert (found["effective_edges"], found["effective_units"]) == (1, 1)
    close(found["log10_paths"], math.log10(6 * 8 * 7 * 3))


def test_of_a_network_without_edges() -> None:
    found = measure_graph(joined([4, 3, 2], 0.0, 0, True))
    assert math.isnan(found["effective_edges"]) and math.isnan(found["log10_paths"])
    assert found["effective_units"] == 0


def test_layers_alone_have_none() -> None:
    found = measure_graph(Graph.bipartite("layer", drawn(3, 4, 0.5)))
    assert math.isnan(found["effective_edges"])
