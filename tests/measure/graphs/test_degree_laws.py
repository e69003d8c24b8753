"""Hubs, and whether degrees may have been drawn from a law."""

import math

import numpy as np
import pytest
from scipy.special import zeta
from tests.measure.graphs.drawn import close, drawn

from thalweg.measure.graphs import Graph, measure_graph
from thalweg.measure.graphs.degree_fit import exponential, power_law
from thalweg.measure.graphs.goodness import goodness_of_fit


def recurrent(degrees: np.ndarray) -> Graph:
    """A recurrent graph in which unit i receives from the first degrees[i] units."""
    units = len(degrees)
    return Graph.recurrent("drawn", np.arange(units) < degrees[:, None])


def test_a_star_s_centre_is_its_hub() -> None:
    found = measure_graph(Graph.bipartite("star", np.ones((1, 6), dtype=np.bool_)))
    close(found["hubs"], 1 / 7)
    close(found["hub_edges"], 1 / 2)


def test_no_hub_where_all_are_alike() -> None:
    found = measure_graph(Graph.bipartite("K", np.ones((4, 4), dtype=np.bool_)))
    assert (found["hubs"], found["hub_edges"]) == (0, 0)
    empty = measure_graph(Graph.bipartite("empty", np.zeros((4, 4), dtype=np.bool_)))
    assert empty["hubs"] == 0 and math.isnan(empty["hub_edges"])


def test_distances_are_those_of_the_cumulative_distributions() -> None:
    graph = Graph.recurrent("drawn", drawn(80, 80, 0.1, 1))
    degrees = graph.in_degrees + graph.out_degrees
    degrees = degrees[degrees > 0]
    smallest, alpha, rate = degrees.min(), power_law(degrees)[0], exponential(degrees)
    at = np.arange(smallest, degrees.max() + 1)
    observed = np.array([np.mean(degrees <= k) for k in at])
    power = 1 - zeta(alpha, at + 1) / zeta(alpha, smallest)
    falling = 1 - np.exp(-rate * (at + 1 - smallest))
    found = measure_graph(graph)
    close(found["power_law_distance"], np.abs(observed - power).max())
    close(found["exponential_distance"], np.abs(observed - falling).max())


def drawn_from(law: str, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    if law == "power_law":
        return np.minimum(random.zipf(2.5, 400), 2000)
    return random.geometric(0.2, 400)


@pytest.mark.parametrize("law", ["power_law", "exponential"])
def test_the_law_that_degrees_come_from_is_not_ruled_out(law: str) -> None:
    graphs = []
    for seed in range(10):
        graph = Graph.recurrent("drawn", np.zeros((1, 1), dtype=np.bool_))
        degrees = drawn_from(law, seed)
        vars(graph).update(in_degrees=np.zeros_like(degrees), out_degrees=degrees)  # both cached
        graphs.append(goodness_of_fit(graph, seed))
    other = "exponential" if law == "power_law" else "power_law"
    # Of a true law one in ten falls below 0.1 by chance.
    assert sum(found[f"{law}_fit"] >= 0.1 for found in graphs) >= 7
    assert all(found[f"{other}_fit"] < 0.1 for found in graphs)


def test_random_masks_follow_neither() -> None:
    found = goodness_of_fit(Graph.recurrent("drawn", drawn(250, 250, 0.2)), 0)
    assert found == {"power_law_fit": 0, "exponential_fit": 0}


def test_equal_degrees_have_no_law() -> None:
    found = goodness_of_fit(Graph.bipartite("K", np.ones((4, 4), dtype=np.bool_)), 0)
    assert all(map(math.isnan, found.values()))


def test_the_same_seed_tells_the_same() -> None:
    graph = recurrent(np.minimum(np.random.default_rng(3).geometric(0.3, 60), 60))
    assert goodness_of_fit(graph, 1) == goodness_of_fit(graph, 1)
