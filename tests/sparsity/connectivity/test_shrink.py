"""The smaller network against the masked one."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.sparsity.connectivity.networks import (
    NETWORKS,
    convolutional,
    masked,
    model,
    random_masks,
)
from torch import nn

from thalweg.sparsity.connectivity import Smaller, connectivity, shrink


def units(net: Smaller) -> list[int]:
    return [size["outputs"] for size in net.sizes if "outputs" in size]


@pytest.mark.parametrize("keep", [0.03, 0.08, 0.25, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_the_masked_network(name: str, keep: float) -> None:
    net, shape = masked(name, keep, 1)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    smaller = shrink(net, shape)
    x = torch.randn(20, *shape, dtype=torch.float64)
    torch.testing.assert_close(smaller(x), net(x), rtol=1e-10, atol=1e-12)
    figures = connectivity(net, shape).total
    assert sum(units(smaller)) <= figures.units
    assert keep > 0.08 or sum(units(smaller)) < figures.units
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    again = shrink(smaller, shape) if not name.startswith("rnn") else smaller
    assert units(again) == units(smaller)


def test_masks_do_what_zeros_do() -> None:
    make, shape = NETWORKS["lenet5"]
    net = make()
    masks = random_masks(net, 0.1, 0)
    smaller = shrink(net, shape, masks)
    with torch.no_grad():
        for name, mask in masks.items():
            net.get_parameter(name).masked_fill_(~mask, 0)
    x = torch.randn(9, *shape)
    torch.testing.assert_close(smaller(x), net(x), rtol=1e-5, atol=1e-6)
    assert sum(units(smaller)) < 200


def test_just_the_useless_units_go() -> None:
    """Of three units the first is dead, the second a zombie."""
    net = model("mlp", (4,), widths=[3, 2], activation="tanh").double()
    with torch.no_grad():
        net.layers[0].weight[0] = 0
        net.layers[1].weight[:, 1] = 0
    smaller = shrink(net, (4,))
    assert units(smaller) == [1, 2, 10]
    constant = net.layers[1].weight[:, 0] * net.layers[0].bias[0].tanh()
    torch.testing.assert_close(smaller[2].bias, net.layers[1].bias + constant)


def test_a_constant_stays_where_a_border_would_see_less_of_it() -> None:
    for padding, bias, left in ((0, 1.0, 4), (1, 1.0, 5), (1, 0.0, 4)):
        net = convolutional(padding).double()
        with torch.no_grad():
            net[0].weight[2] = 0
            net[0].bias[2] = bias
        smaller = shrink(net, (2, 9, 9))
        assert units(smaller) == [left, 6, 7, 3]
        x = torch.randn(5, 2, 9, 9, dtype=torch.float64)
        torch.testing.assert_close(smaller(x), net(x), rtol=1e-12, atol=1e-12)


def test_a_constant_state_goes_only_if_no_state_reads_it() -> None:
    """State 0 of the first layer is dead. The state before the first step is zero, so what another
    state reads of it is no constant; what the layer above reads of it is one.
    """
    for bias, read, left in ((0.5, True, 4), (0.5, False, 3), (0.0, True, 3)):
        net = model("rnn", (1, 6, 5), hidden=4, layers=2).double()
        with torch.no_grad():
            net.rnn.weight_ih_l0[0] = net.rnn.weight_hh_l0[0] = 0
            net.rnn.bias_ih_l0[0] = bias
            if not read:
                net.rnn.weight_hh_l0[:, 0] = 0
        smaller = shrink(net, (1, 6, 5))
        assert units(smaller) == [left, 4, 10]
        x = torch.randn(5, 1, 6, 5, dtype=torch.float64)
        torch.testing.assert_close(smaller(x), net(x), rtol=1e-12, atol=1e-12)


def test_a_bias_appears_where_a_constant_must_be_kept() -> None:
    net = nn.Sequential(nn.Linear(3, 2, bias=False), nn.Sigmoid(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        net[0].weight[1] = 0
    smaller = shrink(net, (3,))
    assert [size["kind"] for size in smaller.sizes] == ["linear", "sigmoid", "linear"]
    assert smaller[0].bias is None
    torch.testing.assert_close(smaller[2].bias, net[2].weight[:, 1] / 2)


@pytest.mark.parametrize("name", ["lenet5-tanh", "rnn"])
def test_sizes_and_weights_are_all_it_takes_to_build_it_again(name: str) -> None:
    net, shape = masked(name, 0.2, 2)
    smaller = shrink(net.float(), shape)
    again = Smaller(json.loads(json.dumps(smaller.sizes)))
    again.load_state_dict(smaller.state_dict())
    x = torch.randn(3, *shape)
    assert torch.equal(again(x), smaller(x))


@pytest.mark.real_data
def test_on_real_images(real_data: Callable[[str], dict[str, Any]]) -> None:
    images = torch.from_numpy(real_data("fashion-mnist")["test_images"][:1000]).unsqueeze(1) / 255
    for name in ("lenet5", "lenet5-tanh"):
        net, shape = masked(name, 0.1, 4)
        net.float()
        smaller = shrink(net, shape)
        assert sum(units(smaller)) < 200
        torch.testing.assert_close(smaller(images), net(images), rtol=1e-4, atol=1e-5)
