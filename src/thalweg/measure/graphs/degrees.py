"""How many edges the units of a graph have, and how unevenly."""

import numpy as np

from thalweg.measure.graphs.graph import Graph, Integers


def degrees(graph: Graph) -> dict[str, float]:
    """Return mean, population variance and maximum of the in- and out-degrees, and the share of
    isolated units.

    In-degrees are those of the units that can have any, so that a network's inputs do not count as
    units nothing leads to; out-degrees likewise. A self-loop counts once in each. ``isolated`` is
    the share of all units without an edge to or from another or itself.
    """
    return {
        **_moments("in_degree", graph.in_degrees[graph.receivers]),
        **_moments("out_degree", graph.out_degrees[graph.senders]),
        "isolated": float(np.mean(graph.in_degrees + graph.out_degrees == 0)),
    }


def _moments(name: str, degrees: Integers) -> dict[str, float]:
    return {
        f"{name}_mean": float(degrees.mean()),
        f"{name}_variance": float(degrees.var()),
        f"{name}_max": float(degrees.max()),
    }
