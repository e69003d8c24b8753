"""Averages of iterates against NumPy, over 50 steps in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.least_squares import LeastSquares, Vector
from tests.optim.oracles import silent
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.optim.averaging import average_iterates

STEPS, STEPS_PER_EPOCH, LR = 50, 3, 0.05
SGD = [{"lr": LR, "momentum": 0.5}, {"lr": 0.5 * LR, "momentum": 0.9}]


def schedule(step: int) -> float:
    return 0.98**step


def averaged(
    problem: LeastSquares, name: str, options: list[dict[str, Any]]
) -> tuple[Vector, Vector]:
    """Return the iterates and their averages, ``(STEPS, K, D)``."""
    inner = problem.bind("sgd", SGD)
    optimizer = average_iterates(name, inner, problem.cohort, options, STEPS_PER_EPOCH)
    iterates, averages = [], []
    for step in range(STEPS):
        problem.oracle.draw(problem.index(step), step)
        optimizer.step(schedule(step), problem.oracle)
        iterates.append(problem.cohort.W.clone())
        averages.append(optimizer.evaluated().clone())
    return torch.stack(iterates).numpy(), torch.stack(averages).numpy()


def polyak(path: Vector, h: dict[str, Any]) -> Vector:
    return np.stack([path[: t + 1].mean(0) for t in range(STEPS)])


def swa(path: Vector, h: dict[str, Any]) -> Vector:
    ends = range(STEPS_PER_EPOCH * (h.get("after_epoch", 0) + 1), STEPS + 1, STEPS_PER_EPOCH)
    found = []
    for t in range(1, STEPS + 1):
        seen = [path[end - 1] for end in ends if end <= t]
        found.append(np.mean(seen, 0) if seen else path[t - 1])
    return np.stack(found)


def ema(path: Vector, h: dict[str, Any]) -> Vector:
    """γ^(t−1)·w_1 + (1 − γ)·Σ γ^(t−i)·w_i over i from 2 to t."""
    decay = h["decay"]
    found = []
    for t in range(1, STEPS + 1):
        weights = np.array([(1 - decay) * decay ** (t - i) for i in range(1, t + 1)])
        weights[0] = decay ** (t - 1)
        assert weights.sum() == pytest.approx(1, rel=1e-12)
        found.append(weights @ path[:t])
    return np.stack(found)


CASES: list[tuple[str, Callable[[Vector, dict[str, Any]], Vector], list[dict[str, Any]]]] = [
    ("polyak", polyak, [{}, {}]),
    ("swa", swa, [{}, {}]),
    ("swa", swa, [{"after_epoch": 4}, {"after_epoch": 4}]),
    ("ema", ema, [{"decay": 0.9}, {"decay": 0.5}]),
    ("ema", ema, [{"decay": 0.99}, {"decay": 0.99}]),
    ("ema", ema, [{"decay": 0.0}, {"decay": 0.3}]),
]


@pytest.mark.parametrize(("name", "plain", "options"), CASES)
def test_the_iterates_are_averaged_and_left_alone(
    name: str, plain: Callable[[Vector, dict[str, Any]], Vector], options: list[dict[str, Any]]
) -> None:
    path, found = averaged(LeastSquares(2, 8), name, options)
    alone = torch.stack(LeastSquares(2, 8).train("sgd", SGD, STEPS, schedule)[1:]).numpy()
    np.testing.assert_array_equal(path, alone)
    for k, h in enumerate(options):
        np.testing.assert_allclose(found[:, k], plain(path[:, k], h), rtol=1e-10)


@pytest.mark.parametrize("options", [[{"every": 4}, {"every": 4, "alpha": 0.8}], [{}, {}]])
def test_lookahead(options: list[dict[str, Any]]) -> None:
    """The published loop: k steps of SGD with momentum, then φ ← φ + α·(w − φ) and w ← φ."""
    problem = LeastSquares(2, 8)
    starts = problem.starts()
    path, found = averaged(problem, "lookahead", options)
    for k, h in enumerate(options):
        slow, w, buffer = starts[k], starts[k], np.zeros_like(starts[k])
        for step in range(STEPS):
            g = problem.gradient(w, step)
            buffer = g if step == 0 else SGD[k]["momentum"] * buffer + g
            w = w - SGD[k]["lr"] * schedule(step) * buffer
            if (step + 1) % h.get("every", 5) == 0:
                slow = slow + h.get("alpha", 0.5) * (w - slow)
                w = slow
            np.testing.assert_allclose(path[step, k], w, rtol=1e-10)
            np.testing.assert_allclose(found[step, k], slow, rtol=1e-10)


@pytest.mark.parametrize("name", ["polyak", "swa", "ema", "lookahead"])
def test_before_the_first_step_a_run_is_judged_where_it_starts(name: str) -> None:
    problem = LeastSquares(2)
    inner = problem.bind("sgd", SGD)
    optimizer = average_iterates(name, inner, problem.cohort, [{}, {}], 3)
    assert torch.equal(optimizer.evaluated(), problem.cohort.W)


@pytest.mark.parametrize(("name", "limit"), [("polyak", 0.5), ("swa", 0.5), ("ema", 0.5)])
def test_the_average_is_nearer_to_the_optimum_than_the_iterate(name: str, limit: float) -> None:
    """Least squares with a constant step, started at the optimum: the iterates scatter about it."""
    problem = LeastSquares(1, 8)
    best = torch.from_numpy(problem.optimum())
    problem.cohort.W.copy_(best)
    optimizer = average_iterates(
        name, problem.bind("sgd", [{"lr": LR}]), problem.cohort, [{}], STEPS_PER_EPOCH
    )
    generator = torch.Generator().manual_seed(0)
    distances = []
    for step in range(600):
        problem.oracle.draw(torch.randint(24, (8,), generator=generator), step)
        optimizer.step(1.0, problem.oracle)
        distances.append((problem.cohort.W - best).norm().item())
    assert (optimizer.evaluated() - best).norm().item() < limit * np.mean(distances)


@pytest.mark.parametrize("name", ["polyak", "swa", "ema", "lookahead"])
def test_pruned_weights_stay_zero(name: str) -> None:
    problem = LeastSquares(2, 8)
    mask = torch.tensor([[True, False, True, True, False], [False, True, True, False, True]])
    problem.cohort.set_mask(mask)
    path, found = averaged(problem, name, [{}, {}])
    assert not path[:, ~mask.numpy()].any()
    assert not found[:, ~mask.numpy()].any()
    assert found[:, mask.numpy()].all()


class Drift(RowOptimizer):
    """Moves every weight, those that are pruned among them."""

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self._cohort.W.add_(1.0)

    def row_state(self, row: int) -> Any:
        return None

    def load_row_state(self, row: int, state: Any) -> None:
        pass


def test_the_average_is_of_what_the_mask_leaves() -> None:
    cohort = LeastSquares(1).cohort
    mask = torch.tensor([[True, False, True, True, False]])
    cohort.set_mask(mask)
    optimizer = average_iterates("polyak", Drift(cohort), cohort, [{}], STEPS_PER_EPOCH)
    optimizer.step(1.0, silent(cohort))
    assert (optimizer.evaluated() != 0).equal(mask)


def test_runs_of_another_structure_are_refused() -> None:
    problem = LeastSquares(2)
    inner = problem.bind("sgd", SGD)
    with pytest.raises(ValueError, match="must share their average's structure"):
        average_iterates("lookahead", inner, problem.cohort, [{"every": 2}, {"every": 3}], 3)


def test_a_row_does_not_depend_on_its_neighbour() -> None:
    _, together = averaged(LeastSquares(2, 8), "ema", [{"decay": 0.9}, {"decay": 0.5}])
    _, alike = averaged(LeastSquares(2, 8), "ema", [{"decay": 0.9}, {"decay": 0.9}])
    np.testing.assert_allclose(alike[:, 0], together[:, 0], rtol=1e-12)
    assert not np.allclose(alike[:, 1], together[:, 1])
