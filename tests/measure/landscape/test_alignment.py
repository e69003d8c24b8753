"""Permuted copies are found again, and a permutation changes no output."""

import copy

import pytest
import torch
from tests.measure.curvature.written_out import SHAPES, network, task
from torch import nn

from thalweg.measure.landscape import align, aligned_subject, interpolate
from thalweg.measure.landscape.alignment import permuted
from thalweg.measure.subject import Subject
from thalweg.sparsity.connectivity.network import read_architecture

F64 = torch.float64
KINDS = ["mlp", "rnn", "regression", "lenet"]


def build(kind: str, seed: int = 0) -> tuple[nn.Module, tuple[int, ...]]:
    if kind != "lenet":
        return network(kind, seed), SHAPES[kind]
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 2), nn.Tanh()]
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(20, 6), nn.ReLU(), nn.Linear(6, 3))
    return module.double(), (1, 8, 8)


def shuffled(module: nn.Module, shape: tuple[int, ...], seed: int) -> nn.Module:
    architecture = read_architecture(module, shape)
    parameters = {name: p.detach() for name, p in module.named_parameters()}
    draw = torch.Generator().manual_seed(seed)
    stages = architecture.network(parameters).stages
    orders = [torch.randperm(stage.units, generator=draw) for stage in stages[:-1]]
    other = copy.deepcopy(module)
    other.load_state_dict(permuted(architecture, parameters, orders), strict=True)
    return other


@pytest.mark.parametrize("kind", KINDS)
def test_a_permutation_changes_no_output_and_is_found_again(kind: str) -> None:
    module, shape = build(kind)
    other = shuffled(module, shape, 5)
    x = torch.randn(7, *shape, dtype=F64)
    torch.testing.assert_close(other(x), module(x), rtol=1e-10, atol=1e-12)
    own, its = (dict(each.named_parameters()) for each in (module, other))
    assert any(not torch.equal(own[name], its[name]) for name in own)
    found = align(module, shape, own, its)
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, own[name], rtol=0, atol=0)


def test_aligned_networks_are_closer_and_compute_the_same() -> None:
    modules = [network("mlp", seed) for seed in range(2)]
    own, its = ({n: p.detach() for n, p in each.named_parameters()} for each in modules)
    found = align(modules[0], SHAPES["mlp"], own, its)

    def distance(named: dict[str, torch.Tensor]) -> float:
        return float(sum((named[name] - own[name]).square().sum() for name in own))

    assert distance(found) < distance(its)
    other = copy.deepcopy(modules[1])
    other.load_state_dict(found)
    x = torch.randn(7, 6, dtype=F64)
    torch.testing.assert_close(other(x), modules[1](x), rtol=1e-10, atol=1e-12)


def test_the_barrier_of_a_permuted_copy_goes() -> None:
    module, data = network("regression"), task("regression")
    inputs, targets = data.train.batch(slice(None))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.03)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(module(inputs), targets).backward()
        optimizer.step()
    other = shuffled(module, SHAPES["regression"], 5)
    subject = Subject.of([module, other], data, dtype=F64)
    assert interpolate(subject).barrier > 0.05
    assert interpolate(aligned_subject(subject)).barrier == pytest.approx(0, abs=1e-12)
