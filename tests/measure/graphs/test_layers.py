"""From tensors to graphs: which units there are, and which edges."""

from itertools import product

import networkx as nx
import numpy as np
import pytest
import torch
from tests.measure.graphs.drawn import directed
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.measure.graphs import Graph, mask_graphs, network_graphs, unrolled
from thalweg.models import build_model
from thalweg.sparsity import prune
from thalweg.sparsity.connectivity import connectivity

IMAGE = (1, 28, 28)


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


def by_name(graphs: list[Graph]) -> dict[str, Graph]:
    return {graph.name: graph for graph in graphs}


def test_lenet5_is_joined_by_channels() -> None:
    module = build_model("lenet5", {}, IMAGE, 10, 0, None)
    masks = prune(module, target=0.9)
    found = by_name(network_graphs(module, IMAGE, weights_of(module), masks))
    assert list(found) == [
        *(f"{n}.weight" for n in ("conv1", "conv2", "fc1", "fc2", "fc3")),
        "network",
    ]
    assert [found[name].units for name in found] == [
        7,
        22,
        376,
        204,
        94,
        1 + 6 + 16 + 120 + 84 + 10,
    ]
    kernels = masks["conv2.weight"].flatten(2).any(2).numpy()
    assert np.array_equal(found["conv2.weight"].blocks[0].links, kernels)
    assert np.array_equal(found["fc1.weight"].blocks[0].links, masks["fc1.weight"].numpy())
    channels = masks["fc1.weight"].reshape(120, 16, 16).any(2).numpy()
    assert np.array_equal(found["network"].blocks[2].links, channels)
    reached = nx.descendants(directed(found["network"]), 0)  # of the only input
    counted = connectivity(module, IMAGE, masks).total
    assert len(reached) == counted.units - counted.dead < counted.units


def test_lenet5_unrolled_has_the_places_that_depend_on_each_other() -> None:
    module = build_model("lenet5", {}, IMAGE, 10, 0, None)
    masks = prune(module, target=0.8)
    graphs = network_graphs(module, IMAGE, weights_of(module), masks, convolutions="unrolled")
    found = by_name(graphs)
    first = found["conv1.weight"].blocks[0].links
    second = found["conv2.weight"].blocks[0].links
    assert (first.shape, second.shape) == ((6 * 12 * 12, 784), (16 * 4 * 4, 6 * 12 * 12))
    assert found["network"].units == 784 + 864 + 256 + 120 + 84 + 10
    # Each place is read by its window: the kernel at four places, in all that the mask keeps.
    for links, name, side in ((first, "conv1", 28), (second, "conv2", 12)):
        kept = masks[f"{name}.weight"].numpy()
        for channel, row, column in ((0, 0, 0), (len(kept) - 1, 2, 3), (2, 3, 1)):
            expected = np.zeros((kept.shape[1], side, side), np.bool_)
            for down, across in product((0, 1), repeat=2):
                at = expected[:, 2 * row + down :, 2 * column + across :][:, :5, :5]
                at |= kept[channel]
            size = round((len(links) / len(kept)) ** 0.5)
            target = (channel * size + row) * size + column
            assert np.array_equal(links[target], expected.ravel())


def test_padding_and_strides_are_unrolled() -> None:
    module = nn.Sequential(
        nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()
    )
    module.append(nn.Linear(12, 2))
    weights = {
        name: (torch.rand_like(weight) < 0.3) * torch.rand_like(weight)
        for name, weight in weights_of(module).items()
    }
    found = network_graphs(module, (2, 8, 8), weights, convolutions="unrolled")
    links = by_name(found)["0.weight"].blocks[0].links
    # What the derivatives of an output without activations depend on.
    chain = nn.Sequential(module[0], module[2], module[3]).double()
    chain.load_state_dict({n: w for n, w in weights.items() if n.startswith("0.")})
    derivatives = torch.autograd.functional.jacobian(
        lambda x: chain(x)[0], torch.zeros(1, 2, 8, 8, dtype=torch.float64)
    )
    assert np.array_equal(links, derivatives.reshape(12, 128).numpy() != 0)


def test_what_cannot_be_unrolled_gets_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    module = build_model("lenet5", {}, IMAGE, 10, 0, None)
    monkeypatch.setattr(unrolled, "MOST_PLACES", 1000)
    with pytest.raises(InputError, match=r"'conv1\.weight' leads from 784 places to 864, more"):
        network_graphs(module, IMAGE, weights_of(module), convolutions="unrolled")
    branched = nn.Bilinear(3, 3, 2)
    with pytest.raises(InputError, match="no chain"):
        network_graphs(branched, (3,), weights_of(branched), convolutions="unrolled")


def test_a_recurrent_network_hangs_together() -> None:
    module = build_model("rnn", {"hidden": 12, "layers": 2}, IMAGE, 10, 0, None)
    masks = prune(module, target=0.5)
    graphs = network_graphs(module, IMAGE, weights_of(module), masks)
    found = by_name(graphs)
    names = ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.weight_ih_l1", "rnn.weight_hh_l1"]
    assert list(found) == [*names, "fc.weight", "network"]
    assert [found[n].kind for n in names] == ["bipartite", "recurrent"] * 2
    network = found["network"]
    assert network.units == 28 + 12 + 12 + 10
    assert len(network.edges[0]) == sum(int(masks[n].sum()) for n in [*names, "fc.weight"])
    assert not network.receivers[:28].any() and network.receivers[28:].all()
    assert not network.senders[-10:].any() and network.senders[:-10].all()
    loops = int(masks["rnn.weight_hh_l0"].diagonal().sum())
    targets, sources = found["rnn.weight_hh_l0"].edges
    assert (targets == sources).sum() == loops > 0


@pytest.mark.parametrize("model", ["lenet5", "rnn", "mlp"])
def test_masks_alone_are_read_as_with_their_network(model: str) -> None:
    options = {"rnn": {"hidden": 9}, "mlp": {"widths": [20, 11]}}.get(model, {})
    module = build_model(model, options, IMAGE, 10, 0, None)
    masks = prune(module, target=0.7)
    whole = network_graphs(module, IMAGE, weights_of(module), masks)
    # As a file in alphabetical order has them: fc before rnn.
    alone = mask_graphs({name: masks[name] for name in sorted(masks)})
    a, b = by_name(whole), by_name(alone)
    assert set(a) == set(b) and "network" in a
    for name, graph in a.items():
        assert graph.units == b[name].units
        for one, other in zip(graph.edges, b[name].edges, strict=True):
            assert np.array_equal(one, other)


def test_masks_that_do_not_fit_each_other_are_told_apart() -> None:
    masks = {"a.weight": torch.ones(4, 3).bool(), "b.weight": torch.ones(5, 6).bool()}
    assert [graph.name for graph in mask_graphs(masks)] == ["a.weight", "b.weight"]
    (alone,) = mask_graphs({"rnn.weight_hh_l0": torch.eye(3).bool()})
    assert alone.kind == "recurrent"


def test_what_is_zero_or_weak_is_no_edge() -> None:
    module = build_model("mlp", {"widths": [10]}, IMAGE, 10, 0, None)
    weights = weights_of(module)
    with torch.no_grad():
        weights["layers.1.weight"][0] = 0
    dense = by_name(network_graphs(module, IMAGE, weights))
    assert len(dense["layers.0.weight"].edges[0]) == 7840
    assert len(dense["layers.1.weight"].edges[0]) == 90
    strong = by_name(network_graphs(module, IMAGE, weights, None, 0.1))
    links = strong["layers.0.weight"].blocks[0].links
    size = weights["layers.0.weight"].abs().numpy()
    assert links.sum() == 784 and size[links].min() >= size[~links].max()
    assert strong["layers.1.weight"].blocks[0].links.sum() == 10
    everything = by_name(network_graphs(module, IMAGE, weights, None, 1.0))
    assert len(everything["layers.1.weight"].edges[0]) == 90
    masks = {"layers.1.weight": torch.zeros(10, 10).bool()}
    for keep in (None, 0.5):
        masked = by_name(network_graphs(module, IMAGE, weights, masks, keep))
        assert len(masked["layers.1.weight"].edges[0]) == 0


def test_gates_are_taken_together() -> None:
    module = nn.LSTM(3, 4)
    kept = {name: torch.zeros_like(p).bool() for name, p in module.named_parameters()}
    kept["weight_ih_l0"][4 + 1, 2] = True  # the second gate of unit 1
    kept["weight_hh_l0"][12 + 3, 0] = kept["weight_hh_l0"][3, 0] = True
    found = by_name(mask_graphs(kept))
    assert found["weight_ih_l0"].edges[0].tolist() == [3 + 1]
    assert found["weight_ih_l0"].edges[1].tolist() == [2]
    assert [e.tolist() for e in found["weight_hh_l0"].edges] == [[3], [0]]


class TwoBranches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 5), nn.Linear(6, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c(self.a(x) * self.b(x))
        return out


def test_a_network_that_is_no_chain_is_not_joined() -> None:
    module = TwoBranches()
    found = network_graphs(module, (6,), weights_of(module))
    assert [graph.name for graph in found] == ["a.weight", "b.weight", "c.weight"]


BAD = [
    ({"a.bias": torch.ones(3).bool()}, "masks of a.bias: none is a matrix of weights"),
    ({}, "masks of nothing: none is a matrix"),
    ({"weight_hh_l0": torch.ones(5, 3).bool()}, "'weight_hh_l0': must have as many rows"),
    (
        {"weight_ih_l0": torch.ones(4, 2).bool(), "weight_hh_l0": torch.ones(3, 3).bool()},
        "'weight_ih_l0': must have the 3 rows of 'weight_hh_l0', not 4",
    ),
]


@pytest.mark.parametrize(("masks", "said"), BAD)
def test_masks_that_are_none_get_a_sentence(masks: dict[str, Tensor], said: str) -> None:
    with pytest.raises(InputError) as caught:
        mask_graphs(masks)
    assert str(caught.value).startswith(said)
