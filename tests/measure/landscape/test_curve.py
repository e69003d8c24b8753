"""Curves between networks: the gradient they descend, what they find, and what they leave alone."""

import copy

import pytest
import torch
from tests.measure.curvature.written_out import as_function, network, task
from torch import nn
from torch.nn.functional import cross_entropy

from thalweg.cohort.losses import example_losses
from thalweg.data import Task, load_task
from thalweg.errors import InputError
from thalweg.measure.landscape import connect
from thalweg.measure.landscape.curve import bezier, control_gradient
from thalweg.measure.subject import Subject
from thalweg.models import build_model

F64 = torch.float64
PLACES = torch.linspace(0.05, 0.95, 5, dtype=F64)


@pytest.mark.parametrize("kind", ["mlp", "conv", "rnn", "regression"])
def test_the_gradient_is_that_of_the_expected_loss(kind: str) -> None:
    modules, data = [network(kind, seed) for seed in range(2)], task(kind)
    subject = Subject.of(modules, data, dtype=F64)
    (w0, outputs), (w1, _) = (as_function(module, data) for module in modules)
    _, targets = data.train.batch(slice(None))
    θ = torch.lerp(w0, w1, 0.3).requires_grad_()
    losses = []
    for t in PLACES:
        φ = (1 - t) ** 2 * w0 + 2 * t * (1 - t) * θ + t**2 * w1
        losses.append(example_losses(data.loss, outputs(φ), targets).mean())
    (expected,) = torch.autograd.grad(torch.stack(losses).mean(), θ)

    there = subject.cohort.elsewhere(
        bezier(w0, θ.detach(), w1, PLACES), torch.zeros(len(PLACES), dtype=torch.int64)
    )
    (batch,) = subject.batches()
    subject.backend.gradient(there, batch)
    torch.testing.assert_close(control_gradient(there.G, PLACES), expected, rtol=1e-9, atol=1e-12)


def trained(data: Task, seed: int, epochs: int = 15) -> nn.Module:
    module = build_model("mlp", {"widths": [16]}, data.shape, data.outputs, seed, None)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    order = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for index in torch.randperm(len(data.train), generator=order).split(64):
            inputs, targets = data.train.batch(index)
            optimizer.zero_grad()
            cross_entropy(module(inputs), targets).backward()
            optimizer.step()
    return module.eval()


@pytest.fixture(scope="module")
def digits() -> Task:
    return load_task("digits", {})


@pytest.fixture(scope="module")
def basins(digits: Task) -> list[nn.Module]:
    return [trained(digits, seed) for seed in range(2)]


def test_a_curve_goes_around_a_barrier(digits: Task, basins: list[nn.Module]) -> None:
    before = copy.deepcopy([module.state_dict() for module in basins])
    subject = Subject.of(basins, digits, split="test")
    found = connect(subject, points=11)
    assert found.line.barrier > 0.2
    assert found.path.barrier < found.line.barrier / 10
    assert found.path.accuracy.min() > 0.9 > found.line.accuracy.min()
    assert torch.equal(found.path.loss[[0, -1]], found.line.loss[[0, -1]])
    again = connect(Subject.of(basins, digits, split="test"), points=11)
    assert torch.equal(again.control, found.control)
    other = connect(Subject.of(basins, digits, split="test", seed=1), points=11)
    assert not torch.equal(other.control, found.control)
    for module, state in zip(basins, before, strict=True):
        assert all(torch.equal(w, state[name]) for name, w in module.state_dict().items())


def test_a_curve_of_no_steps_is_the_line(digits: Task, basins: list[nn.Module]) -> None:
    found = connect(Subject.of(basins, digits, split="test", dtype=F64), points=7, steps=0)
    torch.testing.assert_close(found.path.loss, found.line.loss, rtol=1e-9, atol=1e-12)


def test_a_curve_keeps_to_the_union_of_two_masks(digits: Task, basins: list[nn.Module]) -> None:
    draw = torch.Generator().manual_seed(0)
    pruned, masks = copy.deepcopy(basins), []
    for module in pruned:
        masks.append(torch.rand(16, 64, generator=draw) < 0.5)
        with torch.no_grad():
            module.get_parameter("layers.0.weight").mul_(masks[-1])
    subject = Subject.of(pruned, digits, split="test")
    found = connect(subject, points=5, steps=50)
    control = subject.cohort.layout.views(found.control)["layers.0.weight"]
    assert torch.equal(control != 0, masks[0] | masks[1])
    rest = subject.cohort.layout.size - masks[0].numel()
    assert found.path.nonzero.tolist() == [
        rest + int(masks[0].sum()),
        *[rest + int((masks[0] | masks[1]).sum())] * 3,
        rest + int(masks[1].sum()),
    ]
    moved = found.control != torch.lerp(*subject.cohort.W, 0.5)
    assert moved.sum() > 0.9 * rest


def test_the_points_of_a_curve() -> None:
    w0, θ, w1 = torch.randn(3, 6, generator=torch.Generator().manual_seed(0), dtype=F64)
    t = PLACES.unsqueeze(1)
    expected = (1 - t) ** 2 * w0 + 2 * t * (1 - t) * θ + t**2 * w1
    torch.testing.assert_close(bezier(w0, θ, w1, PLACES), expected)
    ends = bezier(w0, θ, w1, torch.tensor([0.0, 1.0], dtype=F64))
    assert torch.equal(ends, torch.stack([w0, w1]))


def test_what_cannot_be_connected() -> None:
    modules, data = [network("mlp", seed) for seed in range(2)], task("mlp")
    subject = Subject.of(modules, data, dtype=F64)
    with pytest.raises(InputError, match="steps = -1: must be at least 0"):
        connect(subject, steps=-1)
    with pytest.raises(InputError, match=r"lr = 0: must be a number greater than 0"):
        connect(subject, lr=0)
    with pytest.raises(InputError, match="points = 2: must be at least 3"):
        connect(subject, points=2)
    normed = [nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3)).double() for _ in range(2)]
    for module in normed:
        module(data.train.inputs)
        module.eval()
    subject = Subject.of(normed, data, dtype=F64)
    with pytest.raises(InputError, match=r"buffer '1\.running_mean': must be the same in both"):
        connect(subject)
