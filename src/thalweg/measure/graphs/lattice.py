"""The graph of as many edges whose units are connected with their neighbours on a ring."""

import numpy as np

from thalweg.measure.graphs.graph import Graph


def ring(graph: Graph) -> Graph:
    """Return a recurrent graph whose units stand on a ring by their number of edges from others,
    and have as many of them as in this one, from the units next to them on either side: the most
    clustered that such a graph can be expected to be. Self-loops are left out.

    Source: Watts and Strogatz, Nature 393 (1998); Telesford et al., Brain Connectivity 1 (2011).
    """
    links = graph.blocks[0].links
    units = len(links)
    degrees = np.sort(links.sum(1) - np.diagonal(links))
    steps = np.arange(1, units)
    offsets = np.where(steps % 2, (steps + 1) // 2, -(steps // 2))  # 1, −1, 2, −2, …
    targets, ranks = np.nonzero(steps <= degrees[:, None])
    found = np.zeros_like(links)
    found[targets, (targets + offsets[ranks]) % units] = True
    return graph.rewired([found])
