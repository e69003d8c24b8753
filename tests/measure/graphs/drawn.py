"""Graphs of both kinds, and the same as networkx has them."""

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from thalweg.measure.graphs import Graph

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
