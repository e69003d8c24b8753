"""How many edges the units of a graph have, and how unevenly."""

import math

import numpy as np

from thalweg.measure.graphs.graph import Graph, Integers

HUB = 2
"""Standard deviations above the mean from which a degree is that of a hub."""


def degrees(graph: Graph) -> dict[str, float]:
    """Return mean, population variance and maximum of the in- and out-degrees, the share of
    isolated units, and hubs.

    In-degrees are those of the units that can have any, so that a network's inputs do not count as
    units nothing leads to; out-degrees likewise. A self-loop counts once in each. ``isolated`` is
    the share of all units without an edge to or from another or itself. ``hubs`` is the share of
    the units whose in- and out-degree together is above the mean by more than two standard
    deviations, and ``hub_edges`` the share of all ends of edges that they have.
    """
    both = graph.in_degrees + graph.out_degrees
    hubs = both > both.mean() + HUB * both.std()
    return {
        **_moments("in_degree", graph.in_degrees[graph.receivers]),
        **_moments("out_degree", graph.out_degrees[graph.senders]),
        "isolated": float(np.mean(both == 0)),
        "hubs": float(hubs.mean()),
        "hub_edges": float(both[hubs].sum() / both.sum()) if both.any() else math.nan,
    }


def _moments(name: str, degrees: Integers) -> dict[str, float]:
    return {
        f"{name}_mean": float(degrees.mean()),
        f"{name}_variance": float(degrees.var()),
        f"{name}_max": float(degrees.max()),
    }
