"""The losses, label smoothing, weights of samples, and logits of any size."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("outputs", [1, 2, 3, 10, 17])
def test_cross_entropy(
    smoothing: float,
    outputs: int,
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    noise: Any,
    classes: Any,
) -> None:
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, outputs))
    case = problem(module, noise(37, 4), classes(37, outputs), smoothing=smoothing)
    if outputs == 1:  # the loss is 0 whatever the weights: so is all else
        found = case.found(dtype, variant)
        assert not found.losses.any() and not found.gradient.any() and not found.product.any()
        return
    case.check(dtype, variant)


@pytest.mark.parametrize("outputs", [1, 2, 5, 17])
def test_mean_squared_error(
    outputs: int, dtype: torch.dtype, variant: str, problem: Any, noise: Any
) -> None:
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, outputs))
    problem(module, noise(37, 4), noise(37, outputs, seed=9), "mse").check(dtype, variant)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
@pytest.mark.parametrize("kind", ["some zero", "one alone", "negative", "all zero"])
def test_weights_of_samples(
    loss: str,
    kind: str,
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    noise: Any,
    classes: Any,
) -> None:
    weights = noise(37, seed=6).abs()
    if kind == "some zero":
        weights[::3] = 0
    elif kind == "one alone":
        weights[torch.arange(37) != 20] = 0
    elif kind == "negative":
        weights -= 1
    else:
        weights.zero_()
    module = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))
    targets = classes(37, 3) if loss == "cross_entropy" else noise(37, 3, seed=9)
    smoothing = 0.1 if loss == "cross_entropy" else 0.0
    case = problem(module, noise(37, 4), targets, loss, smoothing, weights=weights)
    tolerance = 1e-4 if kind == "negative" and dtype == torch.float32 else None  # terms cancel
    case.check(dtype, variant, tolerance)


def logits(rows: list[list[float]]) -> tuple[nn.Module, Tensor, Tensor]:
    """Return a network with one-hot inputs whose outputs are the rows, and samples of each row
    with each class.
    """
    table = torch.tensor(rows, dtype=torch.float64)
    count, outputs = table.shape
    module = nn.Linear(count, outputs, bias=False)
    with torch.no_grad():
        module.weight.copy_(table.T)
    x = torch.eye(count, dtype=torch.float64).repeat_interleave(outputs, 0)
    return nn.Sequential(module), x, torch.arange(outputs).repeat(count)


EXTREMES = [[1e30, -1e30, 0, 5], [-1e30] * 4, [1e30] * 4, [1e4, 9999, 9990, -1e4], [1e-30, 0, 0, 0]]


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("row", EXTREMES, ids=str)
def test_extreme_logits(
    row: list[float], smoothing: float, dtype: torch.dtype, variant: str, problem: Any
) -> None:
    module, x, y = logits([row])
    # Not all classes: of equal logits the gradients would cancel to rounding errors.
    problem(module, x[:3], y[:3], smoothing=smoothing, rows=1).check(dtype, variant)


def test_extreme_errors(dtype: torch.dtype, variant: str, problem: Any) -> None:
    module, x, y = logits(EXTREMES)
    targets = torch.nn.functional.one_hot(y).double()
    problem(module, x, targets, "mse", rows=1).check(dtype, variant)


def test_a_sure_network_keeps_its_loss(dtype: torch.dtype, variant: str, problem: Any) -> None:
    """log(1 + e^−12) = 6.1e-6 where all logits are near 1000, and its derivatives."""
    module, x, _ = logits([[1000.0, 988.0]])
    problem(module, x[:1], torch.tensor([0]), rows=1).check(dtype, variant)
