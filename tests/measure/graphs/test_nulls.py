"""Random graphs keep what they are to keep, and nothing else."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.measure.graphs.drawn import Links, drawn

from thalweg.measure.graphs import Block, Graph, same_degrees, same_number


def degrees_of(graph: Graph) -> list[tuple[list[int], list[int]]]:
    return [(block.links.sum(1).tolist(), block.links.sum(0).tolist()) for block in graph.blocks]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda shape: arrays(np.bool_, shape)),
    st.integers(0, 100),
)
def test_degrees_and_numbers_are_kept_exactly(links: Links, seed: int) -> None:
    graph = Graph.bipartite("any", links)
    before = links.copy()
    rewired = same_degrees(graph, np.random.default_rng(seed))
    assert degrees_of(rewired) == degrees_of(graph)
    placed = same_number(graph, np.random.default_rng(seed))
    assert len(placed.edges[0]) == len(graph.edges[0])
    assert np.array_equal(graph.blocks[0].links, before)


@pytest.mark.parametrize(("shape", "density"), [((64, 64), 0.3), ((30, 111), 0.1), ((90, 20), 0.6)])
def test_a_graph_of_the_same_degrees_is_another_one(shape: tuple[int, int], density: float) -> None:
    links = drawn(*shape, density)
    graph = Graph.bipartite("drawn", links)
    found = same_degrees(graph, np.random.default_rng(1))
    assert degrees_of(found) == degrees_of(graph)
    kept = (found.blocks[0].links & links).sum() / links.sum()
    assert kept == pytest.approx(density, abs=0.06)  # as two independent ones share
    again = same_degrees(graph, np.random.default_rng(1))
    assert np.array_equal(found.blocks[0].links, again.blocks[0].links)


def test_all_graphs_of_the_same_degrees_are_as_likely() -> None:
    links = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=np.bool_)
    rows, columns = links.sum(1), links.sum(0)
    alike = [
        each
        for values in product((False, True), repeat=12)
        if (each := np.array(values).reshape(3, 4)).sum() == 6
        and (each.sum(1) == rows).all()
        and (each.sum(0) == columns).all()
    ]
    counts = dict.fromkeys((each.tobytes() for each in alike), 0)
    assert len(counts) > 5
    random, draws = np.random.default_rng(0), 1000
    graph = Graph.bipartite("small", links)
    for _ in range(draws):
        counts[same_degrees(graph, random).blocks[0].links.tobytes()] += 1
    expected = draws / len(counts)
    squares = sum((count - expected) ** 2 / expected for count in counts.values())
    assert squares < 2.5 * len(counts)  # χ² of mean len(counts) − 1


def test_every_weight_matrix_of_a_network_keeps_its_own() -> None:
    blocks = (
        Block(drawn(20, 12, 0.4, 1), first_target=12),
        Block(drawn(20, 20, 0.2, 2), first_target=12, first_source=12),
        Block(drawn(5, 20, 0.5, 3), first_target=32, first_source=12),
    )
    graph = Graph("network", "network", 37, blocks)
    found = same_degrees(graph, np.random.default_rng(0))
    assert degrees_of(found) == degrees_of(graph)
    assert (found.in_degrees == graph.in_degrees).all()
    assert (found.out_degrees == graph.out_degrees).all()
    placed = same_number(graph, np.random.default_rng(0))
    assert [b.links.sum() for b in placed.blocks] == [b.links.sum() for b in blocks]
