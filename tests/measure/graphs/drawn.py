"""Graphs of all kinds, and the same as networkx has them."""

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from thalweg.measure.graphs import Block, Graph

Links = NDArray[np.bool_]


def drawn(targets: int, sources: int, density: float, seed: int = 0) -> Links:
    return np.random.default_rng(seed).random((targets, sources)) < density


def directed(graph: Graph) -> nx.DiGraph:
    """Edges from source to target."""
    found = nx.DiGraph()
    found.add_nodes_from(range(graph.units))
    for block in graph.blocks:
        for row, column in zip(*np.nonzero(block.links), strict=True):
            found.add_edge(int(block.first_source + column), int(block.first_target + row))
    return found


def undirected(graph: Graph) -> nx.Graph:
    return nx.Graph(directed(graph))


def relabelled(graph: Graph, seed: int = 0) -> Graph:
    """The same graph of one block with its units in another order."""
    random = np.random.default_rng(seed)
    links = graph.blocks[0].links
    rows = random.permutation(links.shape[0])
    columns = rows if graph.kind == "recurrent" else random.permutation(links.shape[1])
    return graph.rewired([links[rows][:, columns]])


def close(found: float, expected: float) -> None:
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def network() -> Graph:
    """Four inputs, five recurrent units, three outputs."""
    blocks = (
        Block(drawn(5, 4, 0.5, 1), first_target=4),
        Block(drawn(5, 5, 0.3, 2), first_target=4, first_source=4),
        Block(drawn(3, 5, 0.4, 3), first_target=9, first_source=4),
    )
    return Graph("network", "network", 12, blocks)


LAYERS = {
    "dense": drawn(12, 9, 0.8),
    "half": drawn(20, 31, 0.5, 1),
    "sparse": drawn(40, 25, 0.08, 2),
    "falling apart": drawn(30, 30, 0.03, 3),
    "full": np.ones((4, 6), dtype=np.bool_),
    "empty": np.zeros((3, 5), dtype=np.bool_),
    "one edge": np.eye(3, 4, dtype=np.bool_) & (np.arange(4) == 1),
    "one row": np.array([[True, False, True]]),
    "one weight": np.ones((1, 1), dtype=np.bool_),
    "disconnected": np.kron(np.eye(2, dtype=np.bool_), np.ones((3, 2), dtype=np.bool_)),
}
SQUARE = {
    **{name: links for name, links in LAYERS.items() if links.shape[0] == links.shape[1]},
    "half": drawn(24, 24, 0.5, 4),
    "sparse": drawn(40, 40, 0.06, 5),
    "empty": np.zeros((4, 4), dtype=np.bool_),
    "loops alone": np.eye(4, dtype=np.bool_),
}
GRAPHS = [
    *(pytest.param(Graph.bipartite(n, links), id=n) for n, links in LAYERS.items()),
    *(pytest.param(Graph.recurrent(n, links), id=f"recurrent {n}") for n, links in SQUARE.items()),
    pytest.param(network(), id="network"),
]
