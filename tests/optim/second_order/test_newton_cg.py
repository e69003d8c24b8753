"""Newton-CG: on quadratics the Newton step itself, elsewhere its stops and its damping."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.least_squares import FEATURES, LeastSquares, Vector
from torch import Tensor, nn

import thalweg.optim.registry as registry
from thalweg.errors import InputError
from thalweg.optim.second_order.conjugate_gradient import conjugate_gradient

EXACT = {"damping": 0.0, "cg_tolerance": 0.0}


def test_one_undamped_step_reaches_the_optimum_of_a_quadratic() -> None:
    problem = LeastSquares(3)
    after = problem.train("newton_cg", [EXACT] * 3, 1)[-1]
    np.testing.assert_allclose(after, np.tile(problem.optimum(), (3, 1)), rtol=1e-10)
    assert problem.oracle.asked[0].products <= FEATURES + 1


def plainly(problem: LeastSquares, w: Vector, lr: float, damping: float, steps: int) -> Vector:
    """w ← w − η·(H + λ·I)⁻¹·g by a direct solver, the step halved as long as it is too long."""
    for step in range(steps):
        g, H = problem.gradient(w, step), problem.hessian(step)
        d = -np.linalg.solve(H + damping * np.eye(len(w)), g)
        before, length = problem.loss(w, step), lr * 0.9**step
        model = g @ d + d @ H @ d / 2
        ratio = (problem.loss(w + d, step) - before) / model
        damping *= 2 / 3 if ratio > 0.75 else 1 if ratio >= 0.25 else 1.5
        while problem.loss(w + length * d, step) > before + 0.01 * length * (g @ d):
            length /= 2
        w = w + length * d
    return w


def test_50_damped_steps_on_batches_with_a_schedule() -> None:
    problem = LeastSquares(3, batch=8)
    options = [
        {"lr": 0.3, "damping": 2.0, "cg_tolerance": 0.0},
        {"lr": 2.5, "damping": 0.5, "cg_tolerance": 0.0},  # too long at first
        {"lr": 1.0, "damping": 10.0, "cg_tolerance": 0.0},
    ]
    starts = problem.starts()
    found = problem.train("newton_cg", options, 50, lambda step: 0.9**step)[-1]
    for k, own in enumerate(options):
        wanted = plainly(problem, starts[k], own["lr"], own["damping"], 50)
        np.testing.assert_allclose(found[k], wanted, rtol=1e-10)
        assert np.linalg.norm(wanted - starts[k]) > 0.1


def test_the_reduction_ratio_governs_the_damping() -> None:
    """On a quadratic the model is exact, so ρ = 1 and λ falls by 2/3 a step."""
    problem = LeastSquares(2)
    optimizer = problem.bind("newton_cg", [{"damping": 9.0}, {"damping": 0.9}])
    for step in range(3):
        problem.oracle.draw(problem.index(step), step)
        optimizer.step(1.0, problem.oracle)
    left = [optimizer.row_state(k)["state"]["damping"].item() for k in range(2)]
    assert left == pytest.approx([9.0 * (2 / 3) ** 3, 0.9 * (2 / 3) ** 3])


class Saddle(nn.Module):
    """Outputs w₁·w₂·x, whose squared error has a saddle at w = 0."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1] * self.w.prod()


def test_it_leaves_a_saddle_along_negative_curvature() -> None:
    problem = LeastSquares(1, module=Saddle)
    problem.cohort.W.copy_(torch.tensor([[1e-3, -2e-3]], dtype=torch.float64))
    problem.oracle.draw(problem.index(0), 0)
    at_saddle = problem.oracle.losses.item()
    problem.train("newton_cg", [{"damping": 1e-6}], 300)
    problem.oracle.draw(problem.index(0), 0)
    x, y = problem.x[:, 0], problem.y
    lowest = np.mean((y - x * (x @ y) / (x @ x)) ** 2)
    assert at_saddle > lowest + 1e-3
    assert problem.oracle.losses.item() == pytest.approx(lowest, rel=1e-9)
    assert problem.cohort.G.norm() < 1e-6


def test_gauss_newton_is_blind_to_negative_curvature() -> None:
    """With outputs w₁·w₂·x the matrix is 2·mean(x²)·v·vᵀ, v = (w₂, w₁): never negative."""
    problem = LeastSquares(2, module=Saddle)
    w = torch.tensor([[1e-3, -2e-3], [0.7, 0.2]], dtype=torch.float64)
    problem.cohort.W.copy_(w)
    options = {"damping": 0.5, "cg_tolerance": 0.0, "curvature": "gauss_newton"}
    optimizer = problem.bind("newton_cg", [options] * 2)
    problem.oracle.draw(problem.index(0), 0)
    g = problem.cohort.G.clone()
    optimizer.step(1.0, problem.oracle)
    curvature = 2 * np.mean(problem.x[:, 0] ** 2)
    for k in range(2):
        v = w[k].flip(0).numpy()
        A = curvature * np.outer(v, v) + 0.5 * np.eye(2)
        wanted = w[k].numpy() - np.linalg.solve(A, g[k].numpy())
        np.testing.assert_allclose(problem.cohort.W[k], wanted, rtol=1e-10)


def test_systems_are_solved_each_to_its_own_end() -> None:
    generator = torch.Generator().manual_seed(2)
    factor = torch.randn(4, 6, 6, generator=generator, dtype=torch.float64)
    A = factor @ factor.mT + torch.eye(6, dtype=torch.float64)
    A[1] = torch.diag(torch.tensor([1.0, 1, 1, 2, 2, 2]))  # two eigenvalues: two iterations
    A[2] = -A[2]  # negative curvature at once
    b = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    b[3] = 0
    asked = []

    def product(p: Tensor, active: Tensor) -> Tensor:
        asked.append(p)
        return (A @ p[:, :, None])[:, :, 0]

    x, Ax = conjugate_gradient(product, b, 20, 0.0)
    for k in (0, 1):
        torch.testing.assert_close(x[k], torch.linalg.solve(A[k], b[k]), rtol=1e-9, atol=1e-12)
    assert torch.equal(x[2], b[2])
    assert not x[3].any()
    torch.testing.assert_close(Ax, (A @ x[:, :, None])[:, :, 0], rtol=1e-9, atol=1e-11)
    assert len(asked) < 12
    two, _ = conjugate_gradient(product, b, 2, 0.0)
    torch.testing.assert_close(two[1], x[1], rtol=1e-12, atol=1e-14)
    assert not torch.allclose(two[0], x[0], rtol=1e-3)


def test_little_progress_ends_the_iterations() -> None:
    """Martens' rule cannot stop before 11 products; a loose tolerance stops right there."""
    eigenvalues = torch.logspace(-6, 0, 200, dtype=torch.float64)
    asked = []

    def product(p: Tensor, active: Tensor) -> Tensor:
        asked.append(p)
        return eigenvalues * p

    conjugate_gradient(product, torch.ones(1, 200, dtype=torch.float64), 150, 10.0)
    assert len(asked) == 11
    asked.clear()
    conjugate_gradient(product, torch.ones(1, 200, dtype=torch.float64), 150, 0.0)
    assert len(asked) == 150


def test_the_mask_is_held_and_the_rest_is_optimal() -> None:
    problem = LeastSquares(2)
    mask = torch.ones(2, FEATURES, dtype=torch.bool)
    mask[0, 1] = mask[1, 3] = mask[1, 4] = False
    problem.cohort.set_mask(mask)
    problem.train("newton_cg", [EXACT] * 2, 2)
    assert not problem.cohort.W[~mask].any()
    for k in range(2):
        kept = mask[k].numpy()
        best = np.linalg.lstsq(problem.x[:, kept], problem.y, rcond=None)[0]
        np.testing.assert_allclose(problem.cohort.W[k, mask[k]], best, rtol=1e-10)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lr": 0.0}, "lr = 0.0: must be greater than 0"),
        ({"damping": -1.0}, "damping = -1.0: must be at least 0"),
        ({"cg_iterations": 0}, "cg_iterations = 0: must be at least 1"),
        (
            {"curvature": "fisher"},
            "curvature = 'fisher': must be 'hessian' or 'gauss_newton'",
        ),
        ({"cg_tolerance": -1e-3}, "cg_tolerance = -0.001: must be at least 0"),
    ],
)
def test_wrong_hyperparameters_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        registry.check_optimizer("newton_cg", options, "optimizer")
    assert str(caught.value) == f"optimizer.{sentence}"
