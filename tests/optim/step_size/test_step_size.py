"""Polyak's step, the two line searches and coin betting against their published formulas."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.least_squares import EXAMPLES, LeastSquares, Vector
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.optim.registry import check_optimizer

STEPS = 50
BATCH = 8
NAMES = ["sps", "armijo", "coin", "exact_line_search"]


def schedule(step: int) -> float:
    return 0.99**step


def compare(name: str, options: list[dict[str, Any]], reference: Any) -> None:
    """Hold each row of a cohort against ``reference(problem, start, options)``."""
    problem = LeastSquares(len(options), batch=BATCH)
    starts = problem.starts()
    found = problem.train(name, options, STEPS, schedule)[-1]
    for k, own in enumerate(options):
        wanted = torch.from_numpy(reference(problem, starts[k].copy(), own))
        torch.testing.assert_close(found[k], wanted, rtol=1e-10, atol=1e-12)
        assert not np.allclose(wanted, starts[k], atol=0.1)


def polyak(problem: LeastSquares, w: Vector, options: dict[str, Any]) -> Vector:
    eta, bounded = options.get("lr", 1.0), 0
    for step in range(STEPS):
        g = problem.gradient(w, step)
        gap = problem.loss(w, step) - options.get("f_star", 0.0)
        quotient = max(gap, 0) / (options.get("c", 0.5) * g @ g)
        bound = options.get("gamma", 2.0) ** (BATCH / EXAMPLES) * eta
        bounded += bound < quotient
        now = min(quotient, bound)
        eta = now or eta
        w = w - schedule(step) * now * g
    assert 0 < bounded < STEPS  # both branches are taken
    return w


def test_sps_is_the_published_formula() -> None:
    compare(
        "sps",
        [{}, {"lr": 0.01, "c": 1.0, "gamma": 1.5}, {"f_star": 0.02, "gamma": 1.2, "lr": 0.1}],
        polyak,
    )


def search(problem: LeastSquares, w: Vector, options: dict[str, Any]) -> Vector:
    eta, rejected = options.get("lr", 1.0), 0
    for step in range(STEPS):
        g, loss = problem.gradient(w, step), problem.loss(w, step)
        eta *= options.get("gamma", 2.0) ** (BATCH / EXAMPLES)
        for _ in range(100):
            tried = schedule(step) * eta
            wanted = loss - options.get("c", 0.1) * tried * (g @ g)
            if problem.loss(w - tried * g, step) <= wanted:
                break
            eta *= options.get("beta", 0.9)
            rejected += 1
        w = w - schedule(step) * eta * g
    assert rejected
    return w


def test_armijo_is_the_published_search() -> None:
    compare("armijo", [{}, {"c": 0.5, "beta": 0.7}, {"lr": 0.05, "gamma": 3.0}], search)


def bets(problem: LeastSquares, w: Vector, options: dict[str, Any]) -> Vector:
    """Algorithm 2 of the paper, one weight at a time."""
    alpha = options.get("alpha", 100.0)
    L, G, reward, theta, bet = (np.full_like(w, value) for value in (1e-8, 0.0, 0.0, 0.0, 0.0))
    for step in range(STEPS):
        outcome = -problem.gradient(w, step)
        for i, c in enumerate(outcome):
            L[i] = max(L[i], abs(c))
            G[i] += abs(c)
            reward[i] = max(reward[i] + bet[i] * c, 0)
            theta[i] += c
            fraction = theta[i] / (L[i] * max(G[i] + L[i], alpha * L[i]))
            new = fraction * (L[i] + reward[i])
            w[i] += schedule(step) * options.get("lr", 1.0) * (new - bet[i])
            bet[i] = new
    return w


def test_coin_is_the_published_algorithm() -> None:
    compare("coin", [{"alpha": 10.0}, {"alpha": 3.0}, {"lr": 2.0, "alpha": 5.0}], bets)


def exact(problem: LeastSquares, w: Vector, options: dict[str, Any]) -> Vector:
    for step in range(STEPS):
        g = problem.gradient(w, step)
        w = w - (g @ g) / (g @ problem.hessian(step) @ g) * g
    return w


def test_exact_line_search_is_the_closed_form_on_a_quadratic() -> None:
    compare("exact_line_search", [{}, {"lr": 0.1, "tolerance": 0.1}], exact)


def test_successive_exact_gradients_are_orthogonal() -> None:
    problem = LeastSquares(2)
    path = problem.train("exact_line_search", [{}, {}], 8)
    for k in range(2):
        gradients = [problem.gradient(w[k].numpy(), 0) for w in path]
        for g, following in pairwise(gradients):
            assert abs(g @ following) < 1e-10 * np.linalg.norm(g) * np.linalg.norm(following)


def test_on_a_quadratic_an_exact_step_costs_two_gradients_and_a_product() -> None:
    problem = LeastSquares(1)
    problem.train("exact_line_search", [{}], 1)
    (asked,) = problem.oracle.asked
    assert (asked.gradient_evaluations, asked.products, asked.loss_evaluations) == (2, 1, 0)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))


def test_elsewhere_the_exact_search_ends_where_the_slope_has_gone() -> None:
    problem = LeastSquares(3, module=network)
    oracle, cohort = problem.oracle, problem.cohort
    cohort.W.mul_(0.03)  # near the saddle at 0, where the curvature may be negative
    optimizer = problem.bind("exact_line_search", [{"lr": 1e-3}, {}, {"lr": 50.0}])
    curved = 0
    for step in range(20):
        losses = oracle.draw(problem.index(step), step)
        g = cohort.G.clone()
        curved += int(((oracle.product(g) * g).sum(1) <= 0).sum())
        optimizer.step(1.0, oracle)
        lower = oracle.draw(problem.index(step), step)
        slope = (cohort.G * g).sum(1).abs()
        assert (slope <= 1e-3 * g.square().sum(1)).all()
        assert (lower < losses).all()
    assert curved  # the branch of no positive curvature is taken


@pytest.mark.parametrize("module", [None, network], ids=["least squares", "network"])
def test_the_armijo_condition_holds_for_every_accepted_step(module: Any) -> None:
    problem = LeastSquares(2, batch=BATCH, **({} if module is None else {"module": module}))
    oracle, cohort = problem.oracle, problem.cohort
    options = [{"c": 0.1}, {"c": 0.6, "lr": 10.0}]
    optimizer = problem.bind("armijo", options)
    for step in range(60):
        losses = oracle.draw(problem.index(step), step)
        start, g = cohort.W.clone(), cohort.G.clone()
        optimizer.step(1.0, oracle)
        for k, own in enumerate(options):
            eta = optimizer.row_state(k)["state"]["step_size"].item()
            torch.testing.assert_close(cohort.W[k], start[k] - eta * g[k], rtol=1e-12, atol=1e-14)
            bound = losses[k] - own["c"] * eta * g[k].square().sum()
            assert oracle.loss()[k] <= bound


def test_after_a_hundred_rejections_the_step_is_tiny() -> None:
    problem = LeastSquares(1)
    oracle = problem.oracle
    oracle.draw(problem.index(0), 0)
    trials = []

    def loss(index: Tensor | None = None, active: Tensor | None = None) -> Tensor:
        trials.append(1)
        return oracle.losses + 1

    oracle.loss = loss  # type: ignore[method-assign]
    start, g = problem.cohort.W.clone(), problem.cohort.G.clone()
    problem.bind("armijo", [{}]).step(1.0, oracle)
    assert len(trials) == 100
    torch.testing.assert_close(problem.cohort.W, start - 1e-6 * g, rtol=1e-12, atol=1e-15)


def test_sps_needs_no_tuning_where_the_data_are_interpolated() -> None:
    """Theorem 3.4: with f* = 0 and c = 1/2 the distance to the optimum never grows, whatever the
    scale of the loss and the first step size; here it falls to 1e-6.
    """
    for lr in (1e-2, 1.0, 100.0):
        problem = LeastSquares(2, batch=1, noise=0.0)
        best = torch.from_numpy(problem.best)
        path = problem.train("sps", [{"lr": lr}, {"lr": lr, "c": 1.0}], 20 * EXAMPLES)
        distance = torch.stack([(w - best).norm(dim=1) for w in path])
        assert (distance[1:] <= distance[:-1] * (1 + 1e-12) + 1e-14).all()
        assert distance[-1].max() < 1e-6


def test_a_step_of_zero_is_not_sps_last() -> None:
    problem = LeastSquares(1, batch=1)
    optimizer = problem.bind("sps", [{"f_star": 0.5}])
    moved = []
    for step in range(2 * EXAMPLES):
        start = problem.cohort.W.clone()
        problem.oracle.draw(problem.index(step), step)
        optimizer.step(1.0, problem.oracle)
        moved.append(not torch.equal(start, problem.cohort.W))
    assert False in moved
    assert any(moved[moved.index(False) :])


@pytest.mark.parametrize(
    ("name", "options", "steps", "accuracy"),
    [
        ("armijo", {}, 300, 1e-5),
        ("coin", {"alpha": 10.0}, 2000, 1e-2),
        ("exact_line_search", {}, 100, 1e-7),
    ],
)
def test_least_squares_is_solved(
    name: str, options: dict[str, Any], steps: int, accuracy: float
) -> None:
    problem = LeastSquares(1)
    found = problem.train(name, [options], steps)[-1][0]
    assert (found - torch.from_numpy(problem.optimum())).norm() < accuracy


@pytest.mark.parametrize("name", NAMES)
def test_the_mask_is_held(name: str) -> None:
    problem = LeastSquares(2)
    mask = torch.tensor([[True, False, True, True, False], [False, True, True, False, True]])
    problem.cohort.set_mask(mask)
    problem.train(name, [{}, {"lr": 0.1}], 10)
    assert not problem.cohort.W[~mask].any()
    assert problem.cohort.W[mask].all()


@pytest.mark.parametrize("name", NAMES)
def test_a_run_whose_gradient_is_zero_stays_for_ever(name: str) -> None:
    problem = LeastSquares(1)
    problem.cohort.set_mask(torch.zeros(1, 5, dtype=torch.bool))
    assert not problem.train(name, [{"gamma": 1e9} if name in ("sps", "armijo") else {}], 60)[
        -1
    ].any()


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("sps", {"c": 0.0}, "sps.c = 0.0: must be greater than 0"),
        ("sps", {"gamma": 0.5}, "sps.gamma = 0.5: must be at least 1"),
        ("armijo", {"beta": 1.0}, "armijo.beta = 1.0: must be less than 1"),
        ("armijo", {"c": 1.5}, "armijo.c = 1.5: must be less than 1"),
        ("coin", {"alpha": 0.0}, "coin.alpha = 0.0: must be greater than 0"),
        (
            "exact_line_search",
            {"tolerance": 1.0},
            "exact_line_search.tolerance = 1.0: must be less than 1",
        ),
    ],
)
def test_wrong_hyperparameters_are_refused_by_name(
    name: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer(name, options, name)
    assert str(caught.value) == sentence
