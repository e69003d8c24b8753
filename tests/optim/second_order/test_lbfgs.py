"""L-BFGS: PyTorch's steps, and the termination theory promises on quadratics."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.least_squares import EXAMPLES, FEATURES, LeastSquares, Vector
from torch import Tensor

import thalweg.optim.registry as registry
from thalweg.errors import InputError
from thalweg.optim.second_order.strong_wolfe import strong_wolfe


def bfgs(problem: LeastSquares, w: Vector, lr: float, history: int, steps: int) -> Vector:
    """Without a line search: d = −H·g, H being the BFGS matrix of the last pairs, written out."""
    pairs: list[tuple[Vector, Vector]] = []
    identity = np.eye(len(w))
    for step in range(steps):
        g = problem.gradient(w, step)
        if pairs:
            s, y = pairs[-1]
            H = identity * (s @ y) / (y @ y)
        else:
            H = identity * min(1.0, 1 / np.abs(g).sum())
        for s, y in pairs:
            V = identity - np.outer(y, s) / (s @ y)
            H = V.T @ H @ V + np.outer(s, s) / (s @ y)
        move = -lr * 0.97**step * H @ g
        y = problem.gradient(w + move, step) - g
        if move @ y > 1e-10 * y @ y:
            pairs = [*pairs, (move, y)][-history:]
        w = w + move
    return w


@pytest.mark.parametrize("batch", [EXAMPLES, 8])
def test_50_steps_without_a_line_search(batch: int) -> None:
    problem = LeastSquares(2, batch)
    options: list[dict[str, Any]] = [
        {"lr": lr, "history": 3, "line_search": "none"} for lr in (0.1, 0.03)
    ]
    starts = problem.starts()
    found = problem.train("lbfgs", options, 50, lambda step: 0.97**step)[-1]
    for k, own in enumerate(options):
        wanted = bfgs(problem, starts[k], own["lr"], 3, 50)
        np.testing.assert_allclose(found[k], wanted, rtol=1e-10)
        assert np.linalg.norm(wanted - starts[k]) > 0.1


def test_as_pytorch_without_a_line_search() -> None:
    """torch.optim.LBFGS with one iteration a step takes y from the next step's gradient, which over
    the full batch is the same one.
    """
    problem = LeastSquares(1)
    w = torch.nn.Parameter(problem.cohort.W[0].clone())
    x, y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
    theirs = torch.optim.LBFGS([w], lr=0.1, max_iter=50, history_size=4, tolerance_change=0)

    def closure() -> Tensor:
        theirs.zero_grad()
        loss = (x @ w - y).square().mean()
        loss.backward()
        return loss

    theirs.step(closure)
    options = {"lr": 0.1, "history": 4, "line_search": "none"}
    # Its first step is lr · min(1, 1/‖g‖₁), later ones lr, as ours.
    found = problem.train("lbfgs", [options], 50)[-1]
    torch.testing.assert_close(found[0], w.detach(), rtol=1e-10, atol=1e-12)


class IllConditioned(LeastSquares):
    """Least squares whose Hessian has condition number 1e6."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        left, _, right = np.linalg.svd(self.x, full_matrices=False)
        x = left * np.logspace(0, -3, FEATURES) @ right * EXAMPLES**0.5
        self.oracle._split.inputs.copy_(torch.from_numpy(x))
        self.x = x


def test_it_ends_on_a_quadratic_after_about_n_steps() -> None:
    problem = LeastSquares(2)
    options = [{"curvature": 0.01, "history": FEATURES}] * 2
    path = problem.train("lbfgs", options, FEATURES + 3)
    best = torch.from_numpy(problem.optimum())
    assert ((path[FEATURES - 2] - best).abs().amax(1) > 1e-6).all()
    assert ((path[-1] - best).abs().amax(1) < 1e-7).all()


def test_it_is_far_ahead_of_gradient_descent_on_an_ill_conditioned_one() -> None:
    steps = 60
    problem, other = IllConditioned(1), IllConditioned(1)
    rate = 1 / np.linalg.eigvalsh(problem.hessian(0))[-1]
    path = problem.train("lbfgs", [{}], steps)
    descent = other.train("sgd", [{"lr": rate}], steps)
    lowest = problem.loss(problem.optimum(), 0)
    ours, theirs = (problem.loss(way[-1][0].numpy(), 0) - lowest for way in (path, descent))
    assert ours < 1e-10
    assert theirs > 1e4 * ours
    losses = [problem.loss(w[0].numpy(), 0) for w in path]
    assert np.diff(losses).max() < 1e-14


def test_the_wolfe_conditions_hold_on_hard_functions() -> None:
    """A steep well beside a plateau, a kink-like rise, an oscillation, and a line that rises."""

    def phi(a: Tensor) -> Tensor:
        well = -a[0] / (a[0].square() + 2)
        steep = torch.exp(8 * a[1]) - 20 * a[1]
        waves = -a[2] + 0.1 * torch.sin(8 * a[2]) + 0.1 * a[2].square()
        return torch.stack([well, steep, waves, a[3]])

    def evaluate(a: Tensor, active: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            at = a.clone().requires_grad_()
            value = phi(at)
            (slope,) = torch.autograd.grad(value.sum(), at)
        return value.detach(), slope

    for c in (0.9, 0.1, 0.01):
        for first in (1e-3, 1.0, 50.0):
            zero = torch.zeros(4, 1, dtype=torch.float64)
            value, slope = evaluate(zero)
            start = torch.full_like(zero, first)
            a = strong_wolfe(evaluate, value, slope, start, c, 60)
            there, rate = evaluate(a)
            assert a[3] == 0
            assert (a[:3] > 0).all()
            assert (there <= value + 1e-4 * a * slope)[:3].all()
            assert (rate.abs() <= c * slope.abs())[:3].all()


def test_a_pair_of_negative_curvature_is_left_out() -> None:
    problem = LeastSquares(2)
    optimizer = problem.bind("lbfgs", [{"history": 2}] * 2)
    s = torch.ones(2, FEATURES, dtype=torch.float64)
    sign = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    optimizer._remember(s, s * sign)  # type: ignore[attr-defined]
    kept = [optimizer.row_state(k)["state"]["inverse"].tolist() for k in range(2)]
    assert kept == [[0.0, 1 / FEATURES], [0.0, 0.0]]


def test_the_mask_is_held_and_the_rest_is_optimal() -> None:
    problem = LeastSquares(2)
    mask = torch.ones(2, FEATURES, dtype=torch.bool)
    mask[0, 1] = mask[1, 3] = False
    problem.cohort.set_mask(mask)
    problem.train("lbfgs", [{}] * 2, 25)
    assert not problem.cohort.W[~mask].any()
    for k in range(2):
        kept = mask[k].numpy()
        best = np.linalg.lstsq(problem.x[:, kept], problem.y, rcond=None)[0]
        np.testing.assert_allclose(problem.cohort.W[k, mask[k]], best, rtol=1e-7)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lr": 0.0}, "lr = 0.0: must be greater than 0"),
        ({"history": 0}, "history = 0: must be at least 1"),
        ({"curvature": 1.0}, "curvature = 1.0: must be less than 1"),
        ({"line_search": "armijo"}, "line_search = 'armijo': must be 'strong_wolfe' or 'none'"),
        ({"evaluations": 0}, "evaluations = 0: must be at least 1"),
    ],
)
def test_wrong_hyperparameters_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        registry.check_optimizer("lbfgs", options, "optimizer")
    assert str(caught.value) == f"optimizer.{sentence}"
