"""What theory says of the estimates: their means, their variances, and how fast they converge."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.least_squares import EXAMPLES, FEATURES, LeastSquares, Vector
from torch import Tensor

from thalweg.cohort import RowOptimizer
from thalweg.cohort.order import epoch_order
from thalweg.errors import InputError
from thalweg.optim.noise_reduction import table

BATCH = 8
EPOCH = EXAMPLES // BATCH
LR = 0.05


def full_gradient(problem: LeastSquares, w: Vector) -> Vector:
    found: Vector = 2 * problem.x.T @ (problem.x @ w - problem.y) / EXAMPLES
    return found


def estimate(
    problem: LeastSquares, optimizer: RowOptimizer, state: Any, w: Vector, index: Tensor
) -> Vector:
    """Return v at w on a batch, read off the step that a method takes from a state."""
    optimizer.load_row_state(0, deepcopy(state))
    problem.cohort.W[0] = torch.from_numpy(w)
    problem.oracle.draw(index, 0)
    optimizer.step(1.0, problem.oracle)
    v: Vector = (w - problem.cohort.W[0].numpy()) / LR
    return v


def batches(problem: LeastSquares) -> list[Tensor]:
    return [problem.index(step) for step in range(EPOCH)]


def test_svrg_is_unbiased() -> None:
    problem = LeastSquares(1, BATCH)
    optimizer = problem.bind("svrg", [{"lr": LR, "every": 1000}])
    problem.oracle.draw(problem.index(0), 0)
    optimizer.step(1.0, problem.oracle)
    state = optimizer.row_state(0)
    w = np.linspace(-1.0, 2.0, FEATURES)
    found = [estimate(problem, optimizer, state, w, index) for index in batches(problem)]
    wanted = full_gradient(problem, w)
    assert np.ptp(np.stack(found), axis=0).min() > 1e-3
    np.testing.assert_allclose(np.mean(found, 0), wanted, rtol=0, atol=1e-10 * abs(wanted).max())


@dataclass(frozen=True)
class Visits:
    """What a method with a table of M blocks does at one point w, from one state.

    Attributes:
        kept: The table before, ``(M, D)``.
        gradients: Each block's gradient at w, ``(M, D)``.
        estimates: v when the block is visited, ``(M, D)``.
        shares: Each block's share of the examples.
        drawn: How often each block is visited.
        wanted: The full gradient at w.
    """

    kept: Vector
    gradients: Vector
    estimates: Vector
    shares: Vector
    drawn: Vector
    wanted: Vector


def visits(name: str, batch: int, draws: int = 400) -> Visits:
    problem = LeastSquares(1, batch)
    optimizer = problem.bind(name, [{"lr": LR}])
    index = torch.arange(batch)
    for step in range(12):
        problem.oracle.draw(index, step)
        optimizer.step(1.0, problem.oracle)
    state = optimizer.row_state(0)
    kept = state["state"]["table"].numpy()
    w = np.linspace(-1.0, 2.0, FEATURES)
    gradients, estimates, drawn = np.zeros_like(kept), np.zeros_like(kept), np.zeros(len(kept))
    for step in range(draws):
        v = estimate(problem, optimizer, {**state, "step": step}, w, index)
        after = optimizer.row_state(0)["state"]["table"].numpy()
        (j,) = np.flatnonzero((after != kept).any(1))
        gradients[j], estimates[j] = after[j], v
        drawn[j] += 1 / draws
    sizes = [len(part) for part in np.array_split(np.arange(EXAMPLES), len(kept))]
    shares = np.array(sizes) / EXAMPLES
    return Visits(kept, gradients, estimates, shares, drawn, full_gradient(problem, w))


@pytest.mark.parametrize("batch", [8, 5, 1])
def test_saga_is_unbiased(batch: int) -> None:
    """With a batch of 5 the blocks differ in size; with 1 SAGA is as published."""
    found = visits("saga", batch)
    assert len(found.kept) == -(-EXAMPLES // batch)
    assert abs(found.drawn - found.shares).max() < 4 * np.sqrt(found.shares.max() / 400)
    tolerance = 1e-10 * abs(found.wanted).max()
    np.testing.assert_allclose(found.shares @ found.estimates, found.wanted, 0, tolerance)


@pytest.mark.parametrize("batch", [8, 5])
def test_sag_is_biased(batch: int) -> None:
    """Its estimate is the mean of the table after the visit, so that on average it goes only the
    share s_j of the way: E v = Σ s_j·T_j + Σ s_j²·(g_j − T_j).
    """
    found = visits("sag", batch)
    changes = found.gradients - found.kept
    expected = found.shares @ found.kept + found.shares**2 @ changes
    np.testing.assert_allclose(found.shares @ found.estimates, expected, rtol=1e-9)
    assert np.linalg.norm(expected - found.wanted) > 0.1 * np.linalg.norm(found.wanted)


def spread(problem: LeastSquares, name: str, options: dict[str, Any], distance: float) -> float:
    """Return the variance of v over the batches at some distance from the optimum, the anchor
    being as far away.
    """
    optimizer = problem.bind(name, [{"lr": LR, **options}])
    best = problem.optimum()
    problem.cohort.W[0] = torch.from_numpy(best + distance)
    problem.oracle.draw(problem.index(0), 0)
    optimizer.step(1.0, problem.oracle)
    state = optimizer.row_state(0)
    w = best - distance
    found = [estimate(problem, optimizer, state, w, index) for index in batches(problem)]
    return float(np.var(np.stack(found), axis=0).sum())


def test_svrgs_variance_falls_with_the_square_of_the_distance() -> None:
    problem = LeastSquares(1, BATCH)
    far, near = (spread(problem, "svrg", {"every": 1000}, d) for d in (1.0, 1e-3))
    assert near == pytest.approx(1e-6 * far, rel=1e-6)


def test_sgds_variance_does_not_vanish() -> None:
    problem = LeastSquares(1, BATCH)
    near, nearer = (spread(problem, "sgd", {}, d) for d in (1e-3, 1e-6))
    assert nearer == pytest.approx(near, rel=0.1)
    assert nearer > 1e-3


def errors(name: str, options: Sequence[dict[str, Any]], epochs: int) -> Tensor:
    """Train on permuted batches with a constant step; return ‖w − w*‖ by epoch and row."""
    problem = LeastSquares(len(options), BATCH)
    best = torch.from_numpy(problem.optimum())
    optimizer = problem.bind(name, options)
    found = []
    for epoch in range(epochs):
        for index in epoch_order(range(len(options)), epoch, EXAMPLES).split(BATCH, dim=-1):
            problem.oracle.draw(index, 0)
            optimizer.step(1.0, problem.oracle)
        found.append((problem.cohort.W - best).norm(dim=1))
    return torch.stack(found)


@pytest.mark.parametrize("name", ["svrg", "sag", "saga", "sarah", "page", "growing_batch"])
def test_linear_convergence_with_a_constant_step(name: str) -> None:
    found = errors(name, [{"lr": LR}] * 3, 160)
    assert (found[-1] < 1e-6).all()
    # Some constant factor an epoch: as many digits in later epochs as in earlier ones.
    assert all((later < 0.05 * sooner).all() for sooner, later in pairwise(found[20::60]))


def test_sgd_stalls_with_a_constant_step() -> None:
    found = errors("sgd", [{"lr": LR}] * 3, 160)
    assert (found[-40:].mean(0) > 1e-3).all()


def test_storm_converges() -> None:
    found = errors("storm", [{"lr": 0.5, "c": 10.0}] * 3, 160)
    assert (found[-40:].mean(0) < 0.02).all()


def test_storm_without_memory_is_sgd_with_adagrad_like_steps() -> None:
    problem = LeastSquares(1, BATCH)
    w, total = problem.starts()[0], 0.0
    path = problem.train("storm", [{"lr": 0.1, "c": 1e12}], 50)
    for step, found in enumerate(path[1:]):
        g = problem.gradient(w, step)
        total += float(g @ g)
        w = w - 0.1 / (0.1 + total) ** (1 / 3) * g
        np.testing.assert_allclose(found[0].numpy(), w, rtol=1e-10)


@pytest.mark.parametrize("name", ["sag", "saga"])
def test_a_table_that_is_too_large_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = 2 * EPOCH * FEATURES * 8
    for limit in (needed, needed - 1):
        monkeypatch.setattr(table, "LARGEST_TABLE", limit)
        problem = LeastSquares(2, BATCH)
        if limit == needed:
            problem.train(name, [{"lr": LR}] * 2, 1)
            continue
        with pytest.raises(InputError, match=rf"^optimizer.name = '{name}': a table of 3 grad"):
            problem.train(name, [{"lr": LR}] * 2, 1)
