"""The mean difference of bound against its definition."""

import math

import numpy as np
import pytest
from tests.measure.graphs.drawn import LAYERS, close, drawn

from thalweg.measure.graphs import Graph, measure_graph


@pytest.mark.parametrize(
    "links",
    [*(pytest.param(each, id=name) for name, each in LAYERS.items()), drawn(50, 70, 0.2, 7)],
)
def test_against_its_definition(links: np.ndarray) -> None:
    expected = []
    for degree in set(links.sum(0).tolist()):
        part = links[:, links.sum(0) == degree].astype(float)
        if degree < 3 or part.sum() / np.count_nonzero(part.any(1)) < 3:
            continue
        mean = part.sum() / np.count_nonzero(part.any(1))
        values = [*np.linalg.svd(part, compute_uv=False), 0.0]
        expected.append(math.sqrt(degree - 1) + math.sqrt(mean - 1) - values[1])
    found = measure_graph(Graph.bipartite("layer", links))["imdb"]
    assert found == pytest.approx(
        np.mean(expected) if expected else math.nan, abs=1e-7, nan_ok=True
    )


def test_of_a_regular_layer_it_is_delta_r() -> None:
    links = np.zeros((12, 12), dtype=np.bool_)
    for offset in (0, 1, 3, 7):
        links |= np.roll(np.eye(12, dtype=np.bool_), offset, 0)
    found = measure_graph(Graph.bipartite("regular", links))
    close(found["imdb"], found["delta_r"])
