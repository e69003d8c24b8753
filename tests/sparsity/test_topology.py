"""Topology distance of masks: closed forms, permuted copies, an exhaustive search."""

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.sparsity.topology import chance_topology_distance, topology_distance

MLP = {"a.weight": (30, 40), "b.weight": (20, 30), "c.weight": (5, 20)}
CONVOLUTIONS = {
    "conv1.weight": (6, 2, 5, 5),
    "conv2.weight": (16, 6, 3, 3),
    "fc1.weight": (12, 16 * 4),
    "fc2.weight": (10, 12),
}
RNN = {
    "rnn.weight_ih_l0": (16, 28),
    "rnn.weight_hh_l0": (16, 16),
    "rnn.weight_ih_l1": (16, 16),
    "rnn.weight_hh_l1": (16, 16),
    "fc.weight": (10, 16),
}
LSTM = {"weight_ih_l0": (4 * 9, 12), "weight_hh_l0": (4 * 9, 9), "out.weight": (3, 9)}

Shapes = dict[str, tuple[int, ...]]


def drawn(shapes: Shapes, density: float = 0.3, seed: int = 0) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(seed)
    return {name: torch.rand(shape, generator=stream) < density for name, shape in shapes.items()}


def matrix(*rows: str) -> Tensor:
    return torch.tensor([[mark == "x" for mark in row] for row in rows])


def shuffled(masks: dict[str, Tensor], seed: int = 1) -> dict[str, Tensor]:
    """Return the same network with the hidden units of each layer in another order."""
    stream = torch.Generator().manual_seed(seed)
    names = [name for name in masks if "weight_hh" not in name]
    found: dict[str, Tensor] = {}
    before: Tensor | None = None
    for name in names:
        mask = masks[name]
        state = masks.get(name.replace("weight_ih", "weight_hh")) if "_ih" in name else None
        units = len(mask) if state is None else state.shape[1]
        if before is not None:  # features of a flattened channel move with it
            blocks = mask.unflatten(1, (len(before), -1))
            mask = blocks[:, before].flatten(1, 2)
        order = (
            torch.arange(units) if name == names[-1] else torch.randperm(units, generator=stream)
        )
        found[name] = mask.unflatten(0, (-1, units))[:, order].flatten(0, 1)
        if state is not None:
            gates = state.unflatten(0, (-1, units))[:, order][..., order]
            found[name.replace("weight_ih", "weight_hh")] = gates.flatten(0, 1)
        before = order
    return {name: found[name] for name in masks}


@pytest.mark.parametrize(
    "shapes", [MLP, CONVOLUTIONS, RNN, LSTM], ids=["mlp", "conv", "rnn", "lstm"]
)
def test_units_in_another_order_are_no_distance(shapes: Shapes) -> None:
    masks = drawn(shapes)
    other = shuffled(masks)
    assert {name: int(mask.sum()) for name, mask in other.items()} == {
        name: int(mask.sum()) for name, mask in masks.items()
    }
    assert not all(torch.equal(masks[name], other[name]) for name in masks)
    assert topology_distance(masks, other) == topology_distance(other, masks) == 0
    last = [*shapes][-1]
    moved = {**masks, last: masks[last].roll(1, 0)}  # which output is which is no matter of order
    assert topology_distance(masks, moved) > 0.01


def test_closed_forms() -> None:
    one = {"a.weight": matrix("xx..", "..xx"), "b.weight": matrix("x.", ".x")}
    assert topology_distance(one, one) == 0
    # Matched as they stand: 2/3 and 0 apart; the next layer reads the same.
    other = {"a.weight": matrix("x.x.", "..xx"), "b.weight": matrix("x.", ".x")}
    assert topology_distance(one, other) == pytest.approx((2 / 3 + 0 + 0 + 0) / 4)
    # The units change places, and the outputs read the other one each, unless they do too.
    turned = {"a.weight": matrix("..xx", "xx.."), "b.weight": matrix("x.", ".x")}
    assert topology_distance(one, turned) == pytest.approx((0 + 0 + 1 + 1) / 4)
    turned["b.weight"] = turned["b.weight"].flip(1)
    assert topology_distance(one, turned) == 0
    nothing = {name: torch.zeros_like(mask) for name, mask in one.items()}
    assert topology_distance(one, nothing) == 1
    assert topology_distance(nothing, nothing) == 0
    alone = {"a.weight": matrix("xx.", "..x")}
    assert topology_distance(alone, {"a.weight": matrix("..x", "xx.")}) == 1


def test_entries_of_a_kernel_and_of_gates_are_neighbours_of_their_own() -> None:
    kernel = torch.zeros(2, 1, 1, 4, dtype=torch.bool)
    kernel[0, 0, 0, :2] = kernel[1, 0, 0, 2:] = True
    moved = kernel.clone()
    moved[0, 0, 0, :2] = torch.tensor([False, True])
    last = torch.ones(1, 2, dtype=torch.bool)
    one, other = ({"a.weight": mask, "b.weight": last} for mask in (kernel, moved))
    assert topology_distance(one, other) == pytest.approx((1 / 2 + 0 + 0) / 3)
    ones = torch.ones(2, 1, dtype=torch.bool)
    gates = [matrix("x", ".", ".", "x"), matrix("x", ".", "x", ".")]  # two gates of two units
    states = torch.zeros(4, 2, dtype=torch.bool)
    found = [{"weight_ih_l0": each, "weight_hh_l0": states, "out.weight": ones.T} for each in gates]
    # Units read {gate 1} and {gate 2}, or {both} and nothing.
    assert topology_distance(*found) == pytest.approx((1 / 2 + 1 + 0) / 3)


def test_a_layer_is_matched_as_well_as_can_be() -> None:
    stream = np.random.default_rng(0)
    for _ in range(10):
        rows = [stream.random((5, 7)) < 0.4 for _ in range(2)]
        sets = [[set(np.flatnonzero(row)) for row in each] for each in rows]
        apart = [[len(a ^ b) / max(len(a | b), 1) for b in sets[1]] for a in sets[0]]
        least = min(
            sum(apart[i][j] for i, j in enumerate(order)) for order in permutations(range(5))
        )
        nothing = torch.zeros(2, 5, dtype=torch.bool)
        one, other = ({"a.weight": torch.from_numpy(each), "b.weight": nothing} for each in rows)
        assert topology_distance(one, other) == pytest.approx(least / 7)


@pytest.mark.parametrize(
    "shapes", [MLP, CONVOLUTIONS, RNN, LSTM], ids=["mlp", "conv", "rnn", "lstm"]
)
def test_random_masks_are_as_far_apart_as_chance_says(shapes: Shapes) -> None:
    pairs = [(drawn(shapes, seed=2 * i), drawn(shapes, seed=2 * i + 1)) for i in range(12)]
    found = [topology_distance(*pair) for pair in pairs]
    assert found == [topology_distance(*reversed(pair)) for pair in pairs]
    expected = chance_topology_distance(*pairs[0], draws=12)
    error = math.hypot(np.std(found), np.std(found)) / math.sqrt(12)
    assert abs(np.mean(found) - expected) < 4 * error + 0.01
    assert 0.5 < expected < 1
    assert chance_topology_distance(*pairs[0], draws=12) == expected
    near = {name: mask.clone() for name, mask in pairs[0][0].items()}
    near[next(iter(near))][0] ^= True
    assert topology_distance(pairs[0][0], shuffled(near)) < 0.3 * expected


def test_a_file_may_tell_the_layers_in_another_order() -> None:
    one, other = drawn(RNN), drawn(RNN, seed=1)
    expected = topology_distance(one, other)
    turned = ({name: masks[name] for name in sorted(masks)} for masks in (one, other))
    assert topology_distance(*turned) == expected


def test_what_is_no_chain_has_none() -> None:
    apart = drawn({"a.weight": (4, 3), "b.weight": (5, 7)})
    states = drawn({"weight_hh_l0": (4, 4)})
    vectors = drawn({"bias": (4,)})
    for masks in (apart, states, vectors):
        assert math.isnan(topology_distance(masks, masks))
        assert math.isnan(chance_topology_distance(masks, masks))


def test_masks_of_other_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="must be of the parameters"):
        topology_distance(drawn(MLP), drawn(RNN))
