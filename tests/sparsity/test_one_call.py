"""Pruning in one call: exact numbers, rounds, and sentences for what is wrong."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.models import build_model
from thalweg.sparsity import CRITERIA, densities, prunable, prune


def network(name: str) -> nn.Module:
    options: dict[str, Any] = {"mlp": {"widths": [12]}, "rnn": {"hidden": 9, "layers": 2}}
    return build_model(name, options.get(name, {}), (1, 28, 28), 10, 3, None)


def images() -> tuple[Tensor, Tensor]:
    stream = torch.Generator().manual_seed(1)
    x = torch.randn(6, 1, 28, 28, generator=stream)
    return x, torch.randint(0, 10, (6,), generator=stream)


@pytest.mark.parametrize("criterion", [each.name for each in CRITERIA])
@pytest.mark.parametrize("name", ["mlp", "lenet5", "rnn"])
def test_exact_numbers_in_place(name: str, criterion: str) -> None:
    model = network(name)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    masks = prune(model, 0.8, criterion, "erk", data=images(), rounds=2)
    size = sum(m.numel() for m in masks.values())
    assert sum(int(m.sum()) for m in masks.values()) == 2 * size // 10
    assert list(masks) == prunable(model)
    for n, p in model.named_parameters():
        assert torch.equal(p, before[n].where(masks.get(n, torch.tensor(True)), 0))


def test_parameters_and_layers_left_out() -> None:
    model = network("lenet5")
    assert list(prune(model, 0.5, first=False, last=False)) == [
        "conv2.weight",
        "fc1.weight",
        "fc2.weight",
    ]
    assert list(prune(model, 0.5, parameters="fc1.*")) == ["fc1.weight", "fc1.bias"]
    assert (model.get_parameter("conv1.weight") != 0).all()


def test_nothing_to_remove() -> None:
    model = network("mlp")
    assert all(bool(m.all()) for m in prune(model, 0).values())


def test_nm() -> None:
    model = network("mlp")
    masks = prune(model, 0.75, "magnitude", "nm")
    assert all(bool((m.view(-1, 4).sum(1) == 1).all()) for m in masks.values())


def by_hand(matrices: list[np.ndarray], keep: float, rounds: int) -> list[np.ndarray]:
    """Prune a product of two matrices by its flow, with a sort of all scores a round."""
    masks = [np.ones(m.shape, dtype=bool) for m in matrices]
    for k in range(1, rounds + 1):
        A, B = (np.abs(m) * mask for m, mask in zip(matrices, masks, strict=True))
        flows = [A * np.outer(B.sum(0), np.ones(A.shape[1])), B * A.sum(1)]
        alive = np.concatenate([m.ravel() for m in masks])
        flat = np.where(alive, np.concatenate([f.ravel() for f in flows]), -1)
        chosen = np.zeros(len(flat), dtype=bool)
        count = int(keep ** (k / rounds) * len(flat) + 1e-6)
        chosen[np.argsort(-flat, kind="stable")[:count]] = True
        masks = [
            part.reshape(m.shape) for part, m in zip(np.split(chosen, [A.size]), masks, strict=True)
        ]
    return masks


@pytest.mark.parametrize("rounds", [1, 7, None])
def test_synflow_in_rounds(rounds: int | None) -> None:
    torch.manual_seed(5)
    model = nn.Sequential(nn.Linear(9, 30, bias=False), nn.ReLU(), nn.Linear(30, 4, bias=False))
    matrices = [p.detach().double().numpy().copy() for p in model.parameters()]
    expected = by_hand(matrices, 0.05, rounds or 100)
    masks = prune(model, 0.95, {"name": "synflow", "shape": [9]}, rounds=rounds)
    for found, mask in zip(masks.values(), expected, strict=True):
        assert np.array_equal(found.numpy(), mask)


def test_many_rounds_keep_every_layer_connected() -> None:
    """The paper's reason for rounds: in one, the largest layer takes all and the flow is cut."""

    def pruned(rounds: int) -> list[float]:
        torch.manual_seed(0)
        widths = [20, 200, 3, 200, 5]
        layers: list[nn.Module] = []
        for fan_in, fan_out in pairwise(widths):
            layers += [nn.Linear(fan_in, fan_out, bias=False), nn.ReLU()]
        model = nn.Sequential(*layers)
        table = {"name": "synflow", "shape": [20]}
        return list(densities(prune(model, 0.995, table, rounds=rounds)).values())

    assert min(pruned(1)) == 0
    assert min(pruned(100)) > 0


def test_the_model_is_untouched_when_a_round_fails() -> None:
    model = network("mlp")
    calls = 0

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return outputs.sum() * (float("nan") if calls == 3 else 1)

    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    with pytest.raises(InputError, match=r"scores of 'layers.0.weight': must be finite"):
        prune(model, 0.5, "snip", data=images(), loss=loss, rounds=5)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())


def test_sentences() -> None:
    lenet = network("lenet5")
    calls: list[tuple[dict[str, Any], str]] = [
        ({"target": 1.0}, r"target = 1.0: must be less than 1"),
        ({"target": -0.1}, r"target = -0.1: must be at least 0"),
        ({"target": "0.5"}, r"target = '0.5': must be a number"),
        ({"rounds": 0}, r"rounds = 0: must be at least 1"),
        ({"target": 0.99999}, r"target = 0.99999: would leave none of the 44190 weights"),
        ({"criterion": "magnitud"}, r"unknown criterion 'magnitud'; did you mean 'magnitude'\?"),
        ({"scope": "ekr"}, r"unknown scope 'ekr'; did you mean 'erk'\?"),
        ({"criterion": "snip"}, r"criterion 'snip': needs data"),
        ({"parameters": ["rnn.*"]}, r"parameters: 'rnn.\*' matches none of conv1.weight"),
        ({"target": 0.5, "scope": "nm"}, r"'conv1.weight' of shape \(6, 1, 5, 5\) has 1 inputs"),
        ({"target": 0.5, "scope": "nm", "rounds": 2}, r"rounds = 2: scope 'nm' .* must be 1"),
    ]
    before = [p.detach().clone() for p in lenet.parameters()]
    for arguments, message in calls:
        with pytest.raises(InputError, match=message):
            prune(lenet, **arguments)
    assert all(torch.equal(p, b) for p, b in zip(lenet.parameters(), before, strict=True))
