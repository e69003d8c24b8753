"""Momentum by name equals ``torch.optim.SGD``."""

from typing import Any

import pytest
import torch
from tests.optim.plainly import (
    LeastSquares,
    agree,
    constant,
    trained_as_rows,
    trained_by_torch,
)

import thalweg as tw
from thalweg.errors import InputError
from thalweg.optim.registry import check_optimizer

NAMES = ("momentum", "nesterov")
ROWS: list[dict[str, Any]] = [
    {"lr": 0.05},
    {"lr": 0.08, "momentum": 0.5, "weight_decay": 0.1},
    {"lr": 0.02, "momentum": 0.95},
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rows", [ROWS, [ROWS[1]] * 2, [ROWS[0]]], ids=["own", "shared", "alone"])
def test_equals_torch(name: str, rows: list[dict[str, Any]]) -> None:
    found = trained_as_rows(name, rows)
    for k, options in enumerate(rows):
        words = {"momentum": 0.9, "nesterov": name == "nesterov", **options}
        agree(found[k], trained_by_torch(torch.optim.SGD, words, k))


@pytest.mark.parametrize(("name", "own"), [(n, getattr(tw.optim, n.title())) for n in NAMES])
def test_as_a_torch_optimizer(name: str, own: Any) -> None:
    words = {"lr": 0.05, "momentum": 0.9, "nesterov": name == "nesterov"}
    agree(trained_by_torch(own, {"lr": 0.05}, 0), trained_by_torch(torch.optim.SGD, words, 0))


@pytest.mark.parametrize("name", NAMES)
def test_converges_on_least_squares(name: str) -> None:
    rows = [{"lr": 0.1}, {"lr": 0.05, "momentum": 0.8}]
    assert (LeastSquares(2).distance(name, rows, 600, constant) < 1e-9).all()


def test_heavy_ball_keeps_its_rate_on_a_quadratic() -> None:
    """With η = 4/(√L + √ℓ)² and μ = ((√L − √ℓ)/(√L + √ℓ))², the spectral radius is √μ."""
    problem = LeastSquares(1)
    curvatures = torch.linalg.eigvalsh(problem.X.T @ problem.X / len(problem.y))
    low, high = curvatures[0].sqrt().item(), curvatures[-1].sqrt().item()
    root = (high - low) / (high + low)
    options = [{"lr": 4 / (high + low) ** 2, "momentum": root**2}]
    steps = 40
    distance = problem.distance("momentum", options, steps, constant).item()
    assert distance < 10 * steps * root**steps  # a double root: the power times the step
    plain = LeastSquares(1).distance("sgd", [{"lr": 2 / (high**2 + low**2)}], steps, constant)
    assert distance < 1e-4 * plain.item()


@pytest.mark.parametrize("name", NAMES)
def test_what_does_not_apply_is_unknown(name: str) -> None:
    with pytest.raises(InputError, match=rf"^{name}\.momentum = -1: must be at least 0$"):
        check_optimizer(name, {"lr": 0.1, "momentum": -1}, name)
    for key in ("nesterov", "dampening"):
        with pytest.raises(InputError, match=f"^{name}: unknown key '{key}'"):
            check_optimizer(name, {"lr": 0.1, key: 0}, name)
