"""Effective weights against path searches on the unrolled graph and against the flow of ones."""

from collections.abc import Hashable, Iterator
from itertools import product

import networkx as nx
import pytest
import torch
from tests.sparsity.connectivity.networks import NETWORKS, masked, model, random_masks
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.sparsity.connectivity import connectivity, effective_masks
from thalweg.sparsity.connectivity.network import read_network
from thalweg.sparsity.connectivity.reachability import reachability

Edge = tuple[Hashable, Hashable, tuple[str, tuple[int, ...]]]
"""From, to, and the weight: its parameter's name and index."""


def effective_by_search(edges: list[Edge], outputs: set[Hashable]) -> set[tuple[str, tuple]]:
    """The weights with an edge on a path from a node named "input" to an output."""
    graph = nx.DiGraph()
    graph.add_edges_from((start, end) for start, end, _ in edges)
    inputs = {node for node in graph if node[0] == "input"}
    after = inputs.union(*(nx.descendants(graph, node) for node in inputs))
    ends = outputs & set(graph)
    before = ends.union(*(nx.ancestors(graph, node) for node in ends))
    return {weight for start, end, weight in edges if start in after and end in before}


def indices(masks: dict[str, Tensor]) -> set[tuple[str, tuple]]:
    return {(name, tuple(i)) for name, mask in masks.items() for i in mask.nonzero().tolist()}


def linear_edges(name: str, weight: Tensor, before: str, after: str) -> Iterator[Edge]:
    for i, j in weight.nonzero().tolist():
        yield (before, j), (after, i), (name, (i, j))


@pytest.mark.parametrize("seed", range(6))
def test_of_a_perceptron_by_path_search(seed: int) -> None:
    net = model("mlp", (6,), widths=[7, 8, 6], activation="tanh")
    masks = random_masks(net, 0.25, seed)
    names = ["input", "a", "b", "c", "output"]
    edges = [
        edge
        for k, (name, mask) in enumerate(masks.items())
        for edge in linear_edges(name, mask, names[k], names[k + 1])
    ]
    expected = effective_by_search(edges, {("output", i) for i in range(10)})
    assert indices(effective_masks(net, (6,), masks)) == expected
    figures = connectivity(net, (6,), masks).total
    assert figures.effective == len(expected) < figures.nonzero == len(edges)
    assert figures.effective_density == len(expected) / figures.weights


@pytest.mark.parametrize("seed", [0, 1, 2, 4])
def test_of_a_convolutional_network_by_path_search_over_pixels(seed: int) -> None:
    make, shape = NETWORKS["convolutional"]
    masks = random_masks(make(), 0.25, seed)
    nothing = ("", ())
    edges: list[Edge] = []
    for (o, i, r, c), y, x in product(masks["0.weight"].nonzero().tolist(), range(7), range(7)):
        weight = ("0.weight", (o, i, r, c))
        edges.append((("input", i, y + r, x + c), ("a", o, y, x), weight))
    for o, y, x in product(range(5), range(6), range(6)):
        edges.append((("a", o, y, x), ("pooled", o, y // 2, x // 2), nothing))
    for (o, i, r, c), y, x in product(masks["3.weight"].nonzero().tolist(), range(2), range(2)):
        weight = ("3.weight", (o, i, r, c))
        edges.append((("pooled", i, y + r, x + c), ("b", 4 * o + 2 * y + x), weight))
    edges += linear_edges("6.weight", masks["6.weight"], "b", "c")
    edges += linear_edges("8.weight", masks["8.weight"], "c", "output")
    expected = effective_by_search(edges, {("output", i) for i in range(3)}) - {nothing}
    assert indices(effective_masks(make(), shape, masks)) == expected
    assert 0 < len(expected) < sum(int(mask.sum()) for mask in masks.values())


@pytest.mark.parametrize("seed", [0, 1, 3, 4])
def test_of_a_recurrent_network_by_path_search_over_time(seed: int) -> None:
    steps, hidden = 26, 6
    net = model("rnn", (1, steps, 5), hidden=hidden, layers=2)
    masks = random_masks(net, 0.2, seed)
    edges: list[Edge] = []
    for t in range(steps):
        below = [("input", t, x) for x in range(5)]
        for layer in range(2):
            state = [(f"h{layer}", t, i) for i in range(hidden)]
            name = f"rnn.weight_ih_l{layer}"
            for i, j in masks[name].nonzero().tolist():
                edges.append((below[j], state[i], (name, (i, j))))
            name = f"rnn.weight_hh_l{layer}"
            for i, j in masks[name].nonzero().tolist() if t else ():
                edges.append(((f"h{layer}", t - 1, j), state[i], (name, (i, j))))
            below = state
    for i, j in masks["fc.weight"].nonzero().tolist():
        edges.append((("h1", steps - 1, j), ("output", i), ("fc.weight", (i, j))))
    expected = effective_by_search(edges, {("output", i) for i in range(10)})
    assert indices(effective_masks(net, (1, steps, 5), masks)) == expected
    assert 0 < len(expected) < sum(int(mask.sum()) for mask in masks.values())


@pytest.mark.parametrize("keep", [0.02, 0.1, 0.4])
@pytest.mark.parametrize("name", ["lenet5", "rnn-relu"])
def test_effective_weights_are_those_with_synaptic_flow(name: str, keep: float) -> None:
    """Of positive weights, no biases and inputs of ones, the outputs' sum has a derivative with
    respect to just the weights on a path (Tanaka et al., arXiv:2006.05467).
    """
    net, shape = masked(name, keep, 3)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_() if parameter.ndim > 1 else parameter.zero_()
    net(torch.ones(1, *shape, dtype=torch.float64)).sum().backward()
    for key, mask in effective_masks(net, shape).items():
        weight = net.get_parameter(key)
        assert torch.equal(mask, weight * weight.grad > 0), key


@pytest.mark.parametrize("name", ["mlp", "rnn", "padded", "lenet5-tanh"])
def test_zombies_do_not_move_the_outputs_and_the_dead_not_with_the_inputs(name: str) -> None:
    net, shape = masked(name, 0.1, 5)
    network = read_network(net, shape)
    found = reachability(network)
    x = torch.randn(4, *shape, dtype=torch.float64, requires_grad=True)
    outputs = net(x)
    for i, reached in enumerate(found.reached[-1]):
        (slope,) = torch.autograd.grad(outputs[:, i].sum(), x, retain_graph=True)
        assert bool(slope.any()) == bool(reached)
    outputs.square().sum().backward()
    for stage, used in zip(network.stages, found.used, strict=True):
        for key in stage.names:
            assert not net.get_parameter(key).grad[~used].any()
    assert sum(int((~used).sum()) for used in found.used) > 0


def test_a_bias_does_not_make_a_path() -> None:
    net = model("mlp", (3,), widths=[2])
    masks = {"layers.0.weight": torch.tensor([[True] * 3, [False] * 3])}
    layer = connectivity(net, (3,), masks).layers["layers.0.weight"]
    assert (layer.units, layer.dead, layer.zombies) == (2, 1, 0)
    assert (layer.weights, layer.nonzero, layer.effective) == (6, 3, 3)
    last = connectivity(net, (3,), masks).layers["layers.1.weight"]
    assert (last.nonzero, last.effective) == (20, 10)


def test_what_is_no_chain_is_told_in_a_sentence() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    with pytest.raises(InputError, match=r"no chain of layers .* module '1' is no layer"):
        connectivity(net, (3,))
    with pytest.raises(InputError, match="no layer with weights"):
        connectivity(nn.Sequential(nn.Tanh()), (3,))
    mlp = model("mlp", (3,), widths=[2])
    with pytest.raises(InputError, match=r"masks: 'fc' is none of layers\.0\.weight"):
        connectivity(mlp, (3,), {"fc": torch.ones(2, dtype=torch.bool)})
    with pytest.raises(InputError, match=r"must be boolean \(2, 3\), not torch\.float32 \(2,\)"):
        connectivity(mlp, (3,), {"layers.0.weight": torch.ones(2)})
