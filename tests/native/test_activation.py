"""The four activations: against autograd in a network, and alone on dense grids and extremes."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, ndtr
from torch import Tensor, nn

from thalweg.native import Chain, Kernel, SampleTensors
from thalweg.native.layers import ACTIVATIONS, activation

MODULES = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}
EXTREMES = [0.0, -0.0, 1e-45, -1e-45, 1e-40, -1e-40, 1e-38, 1e-20, -1e-20, 0.6, -0.6]
EXTREMES += [sign * 10.0**power for power in range(5) for sign in (1, -1)]


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_in_a_network(
    kind: str, dtype: torch.dtype, variant: str, problem: Any, noise: Any, classes: Any
) -> None:
    act = MODULES[kind]
    vectors = nn.Sequential(nn.Linear(5, 9), act(), nn.Linear(9, 4), act(), nn.Linear(4, 3), act())
    problem(vectors, 2 * noise(37, 5), classes(37, 3)).check(dtype, variant)
    images = nn.Sequential(act(), nn.Conv2d(1, 3, 3), act(), act(), nn.Flatten(), nn.Linear(27, 3))
    problem(images, noise(21, 1, 5, 5), classes(21, 3)).check(dtype, variant)


def evaluate(kind: str, x: Tensor, variant: str) -> Tensor:
    """Return the kernels' function of each number."""
    kernel = Kernel(Chain((activation(kind, (1, 1, 1)),), 0), "mse", variant=variant)
    samples = SampleTensors(x.unsqueeze(1), torch.zeros(len(x), 1))
    none = torch.zeros(1, 0, dtype=x.dtype)
    return kernel.outputs(none, samples, torch.arange(len(x))).flatten()


def reference(kind: str, x: Any) -> Any:
    functions = {
        "relu": lambda x: np.maximum(x, 0),
        "tanh": np.tanh,
        "sigmoid": expit,
        "gelu": lambda x: x * ndtr(x),
    }
    return functions[kind](x)


def grid() -> Tensor:
    """Numbers of every size and sign."""
    small = torch.logspace(-45, 4, 40_000, dtype=torch.float64).float()
    dense = torch.linspace(0, 20, 60_000)
    return torch.cat([small, -small, dense, -dense, torch.tensor(EXTREMES)])


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_single_precision(kind: str, variant: str) -> None:
    """Within four units in the last place; GELU, whose x·Φ(x) has Φ to single precision, within
    two units in the last place of x.
    """
    x = grid()
    found, argument = evaluate(kind, x, variant).double().numpy(), x.double().numpy()
    expected = reference(kind, argument)
    scale = 2 * np.abs(argument) if kind == "gelu" else 4 * np.abs(expected)
    # Below the smallest normal number nothing is promised but its size.
    bound = scale * 2.0**-23 + 2 * float(torch.finfo(torch.float32).tiny)
    wrong = np.abs(found - expected) > bound
    assert not wrong.any(), (argument[wrong][:5], found[wrong][:5], expected[wrong][:5])


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_double_precision(kind: str, variant: str) -> None:
    x = grid().double()
    found, expected = evaluate(kind, x, variant).numpy(), reference(kind, x.numpy())
    bound = 1e-14 * np.maximum(np.abs(expected), np.abs(x.numpy()) if kind == "gelu" else 0)
    assert (np.abs(found - expected) <= bound).all()


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_special_values(kind: str, dtype: torch.dtype, variant: str) -> None:
    x = torch.tensor([math.nan, math.inf, -math.inf], dtype=dtype)
    nan, up, down = evaluate(kind, x, variant).tolist()
    assert math.isnan(nan)
    assert up == (math.inf if kind in ("relu", "gelu") else 1)
    limits = {"relu": [0.0], "tanh": [-1.0], "sigmoid": [0.0], "gelu": [0.0]}
    assert math.isnan(down) if kind == "gelu" else abs(down - limits[kind][0]) < 1e-37


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_gradient_at_extremes(kind: str, dtype: torch.dtype, variant: str, problem: Any) -> None:
    """d/dw of f(w·x) and its derivative at w = 1, each x a row of its own."""
    module = nn.Sequential(nn.Linear(1, 1, bias=False), MODULES[kind]())
    with torch.no_grad():
        module[0].weight.fill_(1)
    for x in EXTREMES:
        case = problem(module, torch.tensor([[x]]), torch.ones(1, 1), "mse", rows=1)
        found, expected = case.found(dtype, variant), case.expected(dtype)
        for ours, theirs in zip(
            (found.losses, found.gradient, found.product),
            (expected.losses, expected.gradient, expected.product),
            strict=True,
        ):
            assert ours.isfinite().all()
            # f' = 1 − y² and the like are exact to a unit of 1, and are multiplied by powers of x.
            scale = max(1.0, x * x) * torch.finfo(dtype).eps
            assert torch.allclose(
                ours.double(), theirs, 1e-5 if dtype == torch.float32 else 1e-12, 8 * scale
            )
