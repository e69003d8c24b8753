"""What the planner finds out about a network, and what it decides."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from thalweg.cohort import Layout, flops_per_example
from thalweg.cohort.planner import (
    MAXIMUM_ROWS,
    STACKING_FLOPS,
    Traits,
    available_cores,
    examine,
    plan,
)
from thalweg.models import build_model
from thalweg.native import recognize

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


class Branching(nn.Module):
    """What it computes depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        out = self.layer(x)
        return -out if out.sum() > 0 else out


class Replacing(nn.Module):
    """Replaces its buffer, which leaves no trace under `functional_call`."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen = self.seen + 1
        return self.layer(x) / self.seen


class Constant(nn.Module):
    """Has buffers, and leaves them alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.register_buffer("scale", torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.scale


def norm() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def dropout() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), nn.Linear(3, 2))


def built_in(name: str, shape: tuple[int, ...]) -> nn.Module:
    return build_model(name, {}, shape, 10, 0, None)


CASES: dict[str, tuple[Any, tuple[int, ...], dict[str, Any]]] = {
    "mlp": (lambda: built_in("mlp", (1, 8, 8)), (1, 8, 8), {}),
    "lenet5": (lambda: built_in("lenet5", (1, 28, 28)), (1, 28, 28), {"convolutional": True}),
    "lenet5-tanh": (
        lambda: built_in("lenet5-tanh", (1, 28, 28)),
        (1, 28, 28),
        {"convolutional": True},
    ),
    "rnn": (lambda: built_in("rnn", (1, 8, 8)), (1, 8, 8), {}),
    "norm": (norm, (4,), {"unstackable": "it changes its buffers as it trains"}),
    "replacing": (Replacing, (4,), {"unstackable": "it changes its buffers as it trains"}),
    "constant": (Constant, (4,), {}),
    "dropout": (
        dropout,
        (4,),
        {"stochastic": True, "unstackable": "it draws random numbers as it trains"},
    ),
    "branching": (Branching, (4,), {"unstackable": "data-dependent control flow"}),
}


@pytest.mark.parametrize("name", CASES)
def test_examine(name: str) -> None:
    make, shape, expected = CASES[name]
    module = make()
    state = {key: value.clone() for key, value in module.state_dict().items()}
    generator = torch.get_rng_state()
    traits = examine(module, shape)
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters())
    assert not any(getattr(part, "unrolled", False) for part in module.modules())
    assert traits.parameters == sum(p.numel() for p in module.parameters())
    assert traits.convolutional is expected.get("convolutional", False)
    assert traits.stochastic is expected.get("stochastic", False)
    if reason := expected.get("unstackable"):
        assert reason in traits.unstackable
    else:
        assert traits.unstackable == ""
    assert "\n" not in traits.unstackable
    assert traits.flops > 0


def test_frozen_parameters_do_not_count() -> None:
    module = nn.Sequential(nn.Linear(4, 3).requires_grad_(False), nn.Linear(3, 2))
    traits = examine(module, (4,))
    assert traits.parameters == 8
    assert traits.unstackable == ""


def linear(fan_in: int, fan_out: int) -> int:
    """Operations of one product of a vector and a matrix, a multiply-add being two."""
    return 2 * fan_in * fan_out


def test_flops_of_linear_layers() -> None:
    # Forward, gradient of the weights, gradient of the inputs; the first layer needs no last.
    module = build_model("mlp", {"widths": [32, 20]}, (1, 8, 8), 10, 0, None)
    first, later = linear(64, 32), linear(32, 20) + linear(20, 10)
    assert flops_per_example(module, (1, 8, 8)) == 2 * first + 3 * later


def test_flops_of_lenet5() -> None:
    conv1 = 2 * 6 * 24 * 24 * 25
    conv2 = 2 * 16 * 8 * 8 * 6 * 25
    full = linear(256, 120) + linear(120, 84) + linear(84, 10)
    forward = conv1 + conv2 + full
    assert round(forward / 1e6, 3) == 0.563
    module = built_in("lenet5", (1, 28, 28))
    assert flops_per_example(module, (1, 28, 28)) == 2 * conv1 + 3 * (conv2 + full)


@pytest.mark.parametrize(
    ("model", "options", "shape"),
    [
        ("mlp", {"widths": [32, 20]}, (1, 8, 8)),
        ("lenet5", {}, (1, 28, 28)),
        ("rnn", {"hidden": 8, "layers": 3}, (1, 28, 28)),
        ("rnn", {"hidden": 8, "layers": 1}, (1, 9, 5)),
    ],
)
def test_flops_of_a_chain_are_those_that_are_counted(
    model: str, options: dict[str, Any], shape: tuple[int, ...]
) -> None:
    module = build_model(model, options, shape, 10, 0, None)
    chain = recognize(module, shape, Layout.of(module).slices)
    assert flops_per_example(module, shape, chain) == flops_per_example(module, shape)


def test_a_frozen_layer_costs_its_forward_pass_only() -> None:
    module = nn.Sequential(nn.Linear(4, 3).requires_grad_(False), nn.Linear(3, 2))
    assert flops_per_example(module, (4,)) == linear(4, 3) + 2 * linear(3, 2)


@pytest.mark.parametrize("make", [norm, dropout, Replacing])
def test_counting_changes_nothing(make: Any) -> None:
    module = make()
    state = {key: value.clone() for key, value in module.state_dict().items()}
    generator = torch.get_rng_state()
    flops_per_example(module, (4,))
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


def traits(**changes: Any) -> Traits:
    fields = {
        **{"parameters": 3000, "flops": 20_000.0, "convolutional": False},
        **{"stochastic": False, "unstackable": ""},
    }
    return Traits(**{**fields, **changes})


def test_small_networks_are_stacked() -> None:
    decided = plan(traits(), 64, runs=10, jobs=2, device=CPU, alone=False)
    assert (decided.backend, decided.rows, decided.stacked) == ("autograd-stacked", 5, True)


@pytest.mark.parametrize(
    ("changes", "batch_size", "runs", "alone", "reason"),
    [
        ({}, 64, 10, True, "evaluates the loss again"),
        ({"unstackable": "it jumps"}, 64, 10, False, "cannot be stacked: it jumps"),
        ({"convolutional": True}, 64, 10, False, "convolutions are faster one run at a time"),
        ({"flops": STACKING_FLOPS / 64 * 1.01}, 64, 10, False, "one run's step fills a core"),
        ({}, 64, 1, False, "one run a process"),
        ({}, 64, 2, False, "one run a process"),
        ({"parameters": 10**12}, 64, 10, False, "one run a process"),
    ],
)
def test_when_runs_train_one_by_one(
    changes: dict[str, Any], batch_size: int, runs: int, alone: bool, reason: str
) -> None:
    decided = plan(traits(**changes), batch_size, runs, jobs=2, device=CPU, alone=alone)
    assert (decided.backend, decided.rows, decided.stacked) == ("autograd", 1, False)
    assert reason in decided.reason


@pytest.mark.parametrize(("runs", "jobs", "rows"), [(7, 2, 4), (8, 2, 4), (9, 2, 5), (5, 1, 5)])
def test_every_process_gets_a_share(runs: int, jobs: int, rows: int) -> None:
    assert plan(traits(), 64, runs, jobs, CPU, alone=False).rows == rows


def test_a_cohort_has_a_largest_size() -> None:
    assert plan(traits(), 64, 10_000, 1, CPU, alone=False).rows == MAXIMUM_ROWS["cpu"]


def test_cores() -> None:
    assert available_cores() >= 1
