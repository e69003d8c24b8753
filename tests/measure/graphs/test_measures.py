"""Every measure against networkx, or its definition, on random and on the emptiest graphs."""

import math
from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from networkx.algorithms import bipartite
from numpy.typing import NDArray
from scipy.special import zeta
from tests.measure.graphs.drawn import (
    GRAPHS,
    LAYERS,
    SQUARE,
    Links,
    close,
    directed,
    drawn,
    relabelled,
    undirected,
)

from thalweg.measure.graphs import MEASURES, Graph, measure_graph, spectrum
from thalweg.measure.graphs.degree_fit import degree_fit

PATHS = ("path_length", "diameter", "closeness_max", "closeness_gini")


def check_against_networkx(graph: Graph) -> None:
    found = measure_graph(graph)
    assert tuple(found) == MEASURES
    plain, arrows = undirected(graph), directed(graph)
    check_degrees(found, graph, arrows)
    check_parts(found, graph, plain, arrows)
    targets, sources = graph.edges
    x, y = graph.out_degrees[sources], graph.in_degrees[targets]
    varies = len(set(x.tolist())) > 1 and len(set(y.tolist())) > 1
    expected = nx.degree_assortativity_coefficient(arrows) if varies else math.nan
    close(found["assortativity"], expected)
    if graph.kind == "bipartite":
        check_bipartite(found, plain)
    else:
        assert all(math.isnan(found[n]) for n in ("latapy", "robins_alexander"))
    if graph.kind == "recurrent":
        arrows.remove_edges_from(list(nx.selfloop_edges(arrows)))
        close(found["clustering"], nx.average_clustering(arrows, count_zeros=True))
    else:
        assert math.isnan(found["clustering"])
    if graph.kind != "network":
        check_spectrum(found, graph)


def check_degrees(found: dict[str, float], graph: Graph, arrows: nx.DiGraph) -> None:
    columns = graph.blocks[0].links.shape[1]
    within = {"bipartite": (columns, columns), "recurrent": (0, graph.units), "network": (4, 9)}
    first, last = within[graph.kind]
    for name, degrees in (
        ("in_degree", [arrows.in_degree(unit) for unit in range(first, graph.units)]),
        ("out_degree", [arrows.out_degree(unit) for unit in range(last)]),
    ):
        close(found[f"{name}_mean"], np.mean(degrees))
        close(found[f"{name}_variance"], np.var(degrees))
        assert found[f"{name}_max"] == max(degrees)
    close(found["isolated"], nx.number_of_isolates(arrows) / graph.units)


def check_parts(found: dict[str, float], graph: Graph, plain: nx.Graph, arrows: nx.DiGraph) -> None:
    weak = list(nx.connected_components(plain))
    assert found["weak_components"] == len(weak)
    close(found["largest_weak"], max(map(len, weak)) / graph.units)
    strong = list(nx.strongly_connected_components(arrows))
    recurrent = graph.kind == "recurrent"
    assert found["strong_components"] == pytest.approx(
        len(strong) if recurrent else math.nan, nan_ok=True
    )
    largest = max(map(len, strong if recurrent else weak))
    candidates = [part for part in (strong if recurrent else weak) if len(part) == largest]
    inside = (arrows if recurrent else plain).subgraph(min(candidates, key=min))
    assert found["diameter"] == (0 if largest == 1 else nx.diameter(inside))
    expected = math.nan if largest == 1 else nx.average_shortest_path_length(inside)
    close(found["path_length"], expected)


def check_bipartite(found: dict[str, float], plain: nx.Graph) -> None:
    degree = dict(plain.degree)
    paths = sum((degree[u] - 1) * (degree[v] - 1) for u, v in plain.edges)
    if paths:  # networkx says 0 where there is none
        close(found["robins_alexander"], bipartite.robins_alexander_clustering(plain))
    else:
        assert math.isnan(found["robins_alexander"])
    close(found["latapy"], np.mean(list(bipartite.latapy_clustering(plain).values())))
    close(found["square_clustering"], np.mean(list(nx.square_clustering(plain).values())))
    assert nx.transitivity(plain) == 0  # why there is no ordinary clustering


def check_spectrum(found: dict[str, float], graph: Graph) -> None:
    links = graph.blocks[0].links.astype(float)
    whole = np.block(
        [
            [np.zeros((links.shape[1],) * 2), links.T],
            [links, np.zeros((links.shape[0],) * 2)],
        ]
    )
    values = np.linalg.eigvalsh(whole)[::-1]
    close(found["sigma_1"], values[0])
    close(found["sigma_2"], max(values[1], 0.0))
    rows, columns = (links.sum(axis) for axis in (1, 0))
    means = [each[each > 0].mean() if each.any() else 0.0 for each in (rows, columns)]
    if min(means) < 3:
        assert math.isnan(found["delta_s"]) and math.isnan(found["delta_r"])
        return
    close(found["delta_s"], 2 * math.sqrt(values[0] - 1) - max(values[1], 0))
    close(found["delta_r"], sum(math.sqrt(m - 1) for m in means) - max(values[1], 0))


@pytest.mark.parametrize("graph", GRAPHS)
def test_every_measure_is_networkx_s(graph: Graph) -> None:
    check_against_networkx(graph)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7)).flatmap(lambda shape: arrays(np.bool_, shape))
)
def test_of_any_mask(links: Links) -> None:
    check_against_networkx(Graph.bipartite("any", links))
    if links.shape[0] == links.shape[1]:
        check_against_networkx(Graph.recurrent("any", links))


def test_of_a_random_regular_graph() -> None:
    regular = nx.random_regular_graph(4, 30, seed=1)
    graph = Graph.recurrent("regular", nx.to_numpy_array(regular, nodelist=range(30)) > 0)
    check_against_networkx(graph)
    found = measure_graph(graph)
    assert found["in_degree_variance"] == found["out_degree_variance"] == 0
    assert found["sigma_1"] == pytest.approx(4)
    close(found["path_length"], nx.average_shortest_path_length(regular))
    assert math.isnan(found["power_law_exponent"])  # all degrees are one


def test_of_a_complete_bipartite_graph() -> None:
    found = measure_graph(Graph.bipartite("K", np.ones((5, 8), dtype=np.bool_)))
    close(found["sigma_1"], math.sqrt(40))
    close(found["sigma_2"], 0)
    for name in ("robins_alexander", "latapy", "square_clustering", "largest_weak"):
        close(found[name], 1)
    # 2·(10 + 28) ordered pairs on one side are two edges apart, 2·40 one edge.
    close(found["path_length"], (2 * 38 * 2 + 80) / (13 * 12))
    close(found["delta_r"], math.sqrt(7) + 2)


def test_of_a_ring_a_star_and_a_path() -> None:
    ring = measure_graph(Graph.recurrent("ring", np.roll(np.eye(9, dtype=np.bool_), 1, 0)))
    assert (ring["diameter"], ring["path_length"]) == (8, 4.5)
    assert (ring["strong_components"], ring["clustering"]) == (1, 0)
    star = measure_graph(Graph.bipartite("star", np.ones((1, 6), dtype=np.bool_)))
    close(star["sigma_1"], math.sqrt(6))
    assert (star["square_clustering"], star["diameter"]) == (0, 2)
    assert star["latapy"] == pytest.approx(6 / 7)  # of the leaves 1, of the centre 0
    path = measure_graph(Graph.recurrent("path", np.eye(5, k=-1, dtype=np.bool_)))
    assert (path["weak_components"], path["strong_components"]) == (1, 5)
    assert (path["diameter"], path["largest_strong"]) == (0, 0.2)


def test_of_a_layer_of_more_units_than_are_followed_at_once() -> None:
    cycle = np.eye(400, dtype=np.bool_) | np.eye(400, k=1, dtype=np.bool_)
    cycle[-1, 0] = True
    found = measure_graph(Graph.bipartite("cycle", cycle))
    assert found["diameter"] == 400
    close(found["path_length"], 400**2 / 799)  # of a cycle of 2n units n²/(2n − 1)


def test_of_more_columns_than_are_decomposed_densely(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph.bipartite("large", drawn(60, 90, 0.1, 6))
    exact = spectrum.spectrum(graph)
    monkeypatch.setattr(spectrum, "MOST_DENSE", 59)
    assert spectrum.spectrum(graph) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("name", ["half", "sparse", "falling apart"])
@pytest.mark.parametrize("make", [Graph.bipartite, Graph.recurrent])
def test_the_order_of_the_units_does_not_matter(
    make: Callable[[str, Links], Graph], name: str
) -> None:
    links = (LAYERS if make == Graph.bipartite else SQUARE)[name]
    graph = make(name, links)
    found, other = measure_graph(graph), measure_graph(relabelled(graph))
    if name == "falling apart":  # which of two equally large parts comes first may change
        for each in (found, other):
            each |= dict.fromkeys(PATHS, 0.0)
    # The division into groups that is found depends on where the search begins.
    assert found.pop("modularity") == pytest.approx(other.pop("modularity"), rel=0.2)
    del found["communities"], other["communities"]
    assert found == pytest.approx(other, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize(("law", "sign"), [("power", 1), ("exponential", -1)])
def test_the_law_that_degrees_were_drawn_from_is_nearer(law: str, sign: int) -> None:
    random = np.random.default_rng(0)
    units = 3000
    if law == "power":
        degrees = np.minimum(random.zipf(2.5, units), 200)
    else:
        degrees = random.geometric(0.25, units)
    found = degree_fit(of_degrees(degrees))
    assert np.sign(found["power_law_ratio"]) == sign
    assert found["power_law_p"] < 1e-4
    if law == "power":
        assert found["power_law_exponent"] == pytest.approx(2.5, abs=0.1)


def of_degrees(degrees: NDArray[np.int64]) -> Graph:
    """Return a graph that tells these degrees."""
    graph = Graph.recurrent("drawn", np.zeros((1, 1), dtype=np.bool_))
    vars(graph).update(in_degrees=np.zeros_like(degrees), out_degrees=degrees)  # both are cached
    return graph


@pytest.mark.parametrize("smallest", [1, 2, 30, 700])
@pytest.mark.parametrize("spread", [0.02, 0.3, 3.0])
def test_the_fit_of_degrees_is_of_maximum_likelihood(smallest: int, spread: float) -> None:
    random = np.random.default_rng(1)
    degrees = smallest + random.geometric(1 / (1 + spread * smallest), 500) - 1
    found = degree_fit(of_degrees(degrees))
    alpha, m = found["power_law_exponent"], int(degrees.min())
    if alpha * math.log(m) < 600:  # elsewhere ζ is no float

        def likelihood(at: float) -> float:
            return float(-at * np.log(degrees).sum() - len(degrees) * math.log(zeta(at, m)))

        assert likelihood(alpha) > max(likelihood(alpha * 0.9999), likelihood(alpha * 1.0001))
        power = -alpha * np.log(degrees) - math.log(zeta(alpha, m))
        rate = math.log(1 + 1 / (degrees.mean() - m))
        ell = power - (math.log(1 - math.exp(-rate)) - rate * (degrees - m))
        close(found["power_law_ratio"], ell.sum() / (math.sqrt(len(ell)) * ell.std()))
    assert 1 < alpha < math.inf
    close(found["power_law_p"], math.erfc(abs(found["power_law_ratio"]) / math.sqrt(2)))
