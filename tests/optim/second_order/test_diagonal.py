"""AdaHessian and Sophia-H, and the estimate of the Hessian's diagonal that both take."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.least_squares import FEATURES, LeastSquares, Vector
from torch import Tensor, nn

import thalweg.optim.registry as registry
from thalweg.errors import InputError
from thalweg.optim.second_order.hutchinson import hessian_diagonal
from thalweg.randomness import generator

STEPS = 50


def decaying(step: int) -> float:
    return 0.97**step


def estimate(problem: LeastSquares, seed: int, step: int) -> Vector:
    """z ∘ (H·z) at a step counted from 0, with the same draws of z."""
    z = torch.randint(0, 2, (FEATURES,), generator=generator(seed, "hutchinson", step + 1))
    signs = 2.0 * z.numpy() - 1
    return signs * (problem.hessian(step) @ signs)


def adahessian(problem: LeastSquares, w: Vector, seed: int, o: dict[str, Any]) -> Vector:
    """Yao et al., algorithm 1, as in the authors' code."""
    m, v, D = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    decay = o.get("weight_decay", 0.0)
    for step in range(STEPS):
        g, t = problem.gradient(w, step), step + 1
        if step % o.get("update_every", 1) == 0:
            D = np.abs(estimate(problem, seed, step))
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * D**2
        power = o.get("hessian_power", 1.0)
        denominator = (np.sqrt(v) / np.sqrt(1 - 0.999**t)) ** power + o.get("eps", 1e-4)
        w = w - o["lr"] * decaying(step) * (m / (1 - 0.9**t) / denominator + decay * w)
    return w


def sophia(problem: LeastSquares, w: Vector, seed: int, o: dict[str, Any]) -> Vector:
    """Liu et al., algorithm 3."""
    m, h = np.zeros_like(w), np.zeros_like(w)
    for step in range(STEPS):
        lr = o["lr"] * decaying(step)
        m = 0.96 * m + 0.04 * problem.gradient(w, step)
        if step % o.get("update_every", 10) == 0:
            h = 0.99 * h + 0.01 * estimate(problem, seed, step)
        w = w - lr * o.get("weight_decay", 0.1) * w
        ratio = m / np.maximum(o.get("gamma", 0.01) * h, 1e-12)
        w = w - lr * np.clip(ratio, -1, 1)
    return w


CASES: list[tuple[str, Callable[..., Vector], list[dict[str, Any]]]] = [
    ("adahessian", adahessian, [{"lr": 0.15}, {"lr": 0.05, "weight_decay": 0.1}]),
    ("adahessian", adahessian, [{"lr": 0.1, "hessian_power": 0.5}, {"lr": 0.2, "eps": 0.1}]),
    ("adahessian", adahessian, [{"lr": 0.1, "update_every": 3}, {"lr": 0.3, "update_every": 3}]),
    ("sophia", sophia, [{"lr": 0.02}, {"lr": 0.01, "weight_decay": 0.0}]),
    ("sophia", sophia, [{"lr": 0.05, "gamma": 2.0}, {"lr": 0.02, "gamma": 50.0}]),
    ("sophia", sophia, [{"lr": 0.03, "update_every": 4, "gamma": 5.0}] * 2),
]


@pytest.mark.parametrize(("name", "plainly", "options"), CASES)
def test_50_steps(name: str, plainly: Callable[..., Vector], options: list[dict[str, Any]]) -> None:
    problem = LeastSquares(2, batch=8)
    starts = problem.starts()
    found = problem.train(name, options, STEPS, decaying)[-1]
    for k, own in enumerate(options):
        wanted = plainly(problem, starts[k], k, own)
        np.testing.assert_allclose(found[k], wanted, rtol=1e-10)
        assert np.linalg.norm(wanted - starts[k]) > 0.1


@pytest.mark.parametrize(
    ("name", "options"),
    [("adahessian", {}), ("sophia", {"lr": 0.05, "gamma": 0.3, "weight_decay": 0.0})],
)
def test_it_reaches_the_optimum_of_a_quadratic(name: str, options: dict[str, Any]) -> None:
    problem = LeastSquares(2)
    found = problem.train(name, [options] * 2, 600, lambda step: 0.99**step)[-1]
    np.testing.assert_allclose(found, np.tile(problem.optimum(), (2, 1)), atol=1e-3)


def test_the_estimate_is_unbiased() -> None:
    problem = LeastSquares(1, batch=8)
    problem.oracle.draw(problem.index(0), 0)
    draws = torch.stack(
        [hessian_diagonal(problem.cohort, problem.oracle, step)[0] for step in range(2000)]
    )
    error = draws.std(0) / len(draws) ** 0.5
    wanted = torch.from_numpy(np.diag(problem.hessian(0)).copy())
    assert ((draws.mean(0) - wanted).abs() < 4 * error).all()
    assert (error < 0.05 * wanted).all()
    assert (error > 0).all()


class Elementwise(nn.Module):
    """Outputs w∘x, so that the Hessian of the squared error is diagonal."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        return self.w * x


def test_the_estimate_is_exact_for_a_diagonal_hessian() -> None:
    problem = LeastSquares(2, module=Elementwise)
    problem.oracle.draw(problem.index(0), 0)
    wanted = 2 * np.mean(problem.x**2, 0) / FEATURES
    for step in range(3):
        found = hessian_diagonal(problem.cohort, problem.oracle, step)
        np.testing.assert_allclose(found, np.tile(wanted, (2, 1)), rtol=1e-12)


class Kernels(nn.Module):
    """One convolution over each example laid out as an image of 5 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, (1, 3))

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.convolution(x[:, None, None])
        return maps.sum((1, 2, 3))[:, None]


def test_adahessian_averages_over_a_kernel_but_not_over_a_bias() -> None:
    problem = LeastSquares(1, module=Kernels)
    optimizer = problem.bind("adahessian", [{}])
    problem.oracle.draw(problem.index(0), 0)
    raw = hessian_diagonal(problem.cohort, problem.oracle, 1).abs()[0]
    optimizer.step(1.0, problem.oracle)
    kept = optimizer.row_state(0)["state"]["diagonal"]
    kernels = raw[:6].view(2, 3).mean(1).repeat_interleave(3)
    torch.testing.assert_close(kept, torch.cat([kernels, raw[6:]]))
    assert len(set(raw.tolist())) > 2


@pytest.mark.parametrize("name", ["adahessian", "sophia"])
def test_the_mask_is_held(name: str) -> None:
    problem = LeastSquares(2)
    mask = torch.ones(2, FEATURES, dtype=torch.bool)
    mask[0, 1] = mask[1, 3] = False
    problem.cohort.set_mask(mask)
    path = problem.train(name, [{}] * 2, 20)
    assert not problem.cohort.W[~mask].any()
    assert (path[0] != path[-1])[mask].all()


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("adahessian", {"lr": 0.0}, "lr = 0.0: must be greater than 0"),
        ("adahessian", {"beta2": 1.0}, "beta2 = 1.0: must be less than 1"),
        ("adahessian", {"hessian_power": 2.0}, "hessian_power = 2.0: must be at most 1"),
        ("adahessian", {"update_every": 0}, "update_every = 0: must be at least 1"),
        ("sophia", {"gamma": 0.0}, "gamma = 0.0: must be greater than 0"),
        ("sophia", {"eps": 0.0}, "eps = 0.0: must be greater than 0"),
        ("sophia", {"update_every": 0}, "update_every = 0: must be at least 1"),
    ],
)
def test_wrong_hyperparameters_are_refused(
    name: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        registry.check_optimizer(name, options, "optimizer")
    assert str(caught.value) == f"optimizer.{sentence}"
