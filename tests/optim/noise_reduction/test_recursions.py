"""Noise-reduced methods against their published recursions in NumPy, over 50 steps in float64."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.least_squares import EXAMPLES, LeastSquares, Vector

from thalweg.errors import InputError
from thalweg.optim.registry import check_optimizer
from thalweg.randomness import generator

STEPS = 50
BATCH = 8
EPOCH = EXAMPLES // BATCH
Plain = Callable[[LeastSquares, Vector, dict[str, Any], int], Iterator[Vector]]


def schedule(step: int) -> float:
    return 1.2 * 0.98**step


def over(problem: LeastSquares, w: Vector, rows: Any) -> Vector:
    found: Vector = 2 * problem.x[rows].T @ (problem.x[rows] @ w - problem.y[rows]) / len(rows)
    return found


def full(problem: LeastSquares, w: Vector) -> Vector:
    return over(problem, w, np.arange(EXAMPLES))


def moved(w: Vector, v: Vector, h: dict[str, Any], step: int) -> Vector:
    new: Vector = w - h["lr"] * schedule(step) * (v + h.get("weight_decay", 0.0) * w)
    return new


def svrg(problem: LeastSquares, w: Vector, h: dict[str, Any], seed: int) -> Iterator[Vector]:
    anchor, mu = w, np.zeros_like(w)
    for step in range(STEPS):
        if step % (h.get("every") or EPOCH) == 0:
            anchor, mu = w, full(problem, w)
        v = problem.gradient(w, step) - problem.gradient(anchor, step) + mu
        w = moved(w, v, h, step)
        yield w


def recursive(
    problem: LeastSquares, w: Vector, h: dict[str, Any], due: Callable[[int], bool]
) -> Iterator[Vector]:
    previous, v = w, np.zeros_like(w)
    for step in range(STEPS):
        if due(step):
            v = full(problem, w)
        else:
            v = problem.gradient(w, step) - problem.gradient(previous, step) + v
        previous = w
        w = moved(w, v, h, step)
        yield w


def sarah(problem: LeastSquares, w: Vector, h: dict[str, Any], seed: int) -> Iterator[Vector]:
    return recursive(problem, w, h, lambda step: step % (h.get("every") or EPOCH) == 0)


def page(problem: LeastSquares, w: Vector, h: dict[str, Any], seed: int) -> Iterator[Vector]:
    def due(step: int) -> bool:
        toss = torch.rand((), generator=generator(0, "page", step + 1)).item()
        return step == 0 or toss < h["probability"]

    assert 5 < sum(map(due, range(STEPS))) < 45
    return recursive(problem, w, h, due)


def storm(problem: LeastSquares, w: Vector, h: dict[str, Any], seed: int) -> Iterator[Vector]:
    total, a, d = 0.0, 1.0, np.zeros_like(w)
    previous = w
    for step in range(STEPS):
        g = problem.gradient(w, step)
        total += float(g @ g)
        d = g + (1 - a) * (d - problem.gradient(previous, step))
        previous = w
        rate = h["lr"] * schedule(step) / (h.get("offset", 0.1) + total) ** (1 / 3)
        w = w - rate * (d + h.get("weight_decay", 0.0) * w)
        a = min(1.0, h.get("c", 10.0) * rate**2)
        yield w


def table(
    problem: LeastSquares, w: Vector, h: dict[str, Any], seed: int, biased: bool
) -> Iterator[Vector]:
    blocks = np.split(torch.randperm(EXAMPLES, generator=generator(seed, "blocks")).numpy(), EPOCH)
    kept = np.zeros((EPOCH, len(w)))
    for step in range(STEPS):
        example = torch.randint(EXAMPLES, (), generator=generator(0, "blocks", step + 1)).item()
        j = int(example // BATCH)
        g = over(problem, w, blocks[j])
        v = (g - kept[j]) / (EPOCH if biased else 1) + kept.mean(0)
        kept[j] = g
        w = moved(w, v, h, step)
        yield w


def sag(problem: LeastSquares, w: Vector, h: dict[str, Any], seed: int) -> Iterator[Vector]:
    return table(problem, w, h, seed, biased=True)


def saga(problem: LeastSquares, w: Vector, h: dict[str, Any], seed: int) -> Iterator[Vector]:
    return table(problem, w, h, seed, biased=False)


def growing_batch(
    problem: LeastSquares, w: Vector, h: dict[str, Any], seed: int
) -> Iterator[Vector]:
    for step in range(STEPS):
        size = min(EXAMPLES, int(BATCH * h["growth"] ** (step // EPOCH)))
        order = torch.randperm(EXAMPLES, generator=generator(seed, "further", step + 1)).tolist()
        rows = problem.index(step).tolist()
        rows += [i for i in order if i not in rows][: size - BATCH]
        w = moved(w, over(problem, w, rows), h, step)
        yield w


CASES: list[tuple[str, Plain, list[dict[str, Any]]]] = [
    ("svrg", svrg, [{"lr": 0.05}, {"lr": 0.02, "weight_decay": 0.1}]),
    ("svrg", svrg, [{"lr": 0.05, "every": 7}, {"lr": 0.01, "every": 7}]),
    ("sarah", sarah, [{"lr": 0.05}, {"lr": 0.02, "weight_decay": 0.1}]),
    ("sarah", sarah, [{"lr": 0.05, "every": 7}, {"lr": 0.01, "every": 7}]),
    ("page", page, [{"lr": 0.05, "probability": 0.4}, {"lr": 0.02, "probability": 0.4}]),
    ("storm", storm, [{"lr": 0.1}, {"lr": 0.2, "offset": 1.0, "c": 3.0, "weight_decay": 0.1}]),
    ("storm", storm, [{"lr": 1.0, "c": 100.0}, {"lr": 1.0, "c": 0.5}]),
    ("sag", sag, [{"lr": 0.05}, {"lr": 0.02, "weight_decay": 0.1}]),
    ("saga", saga, [{"lr": 0.05}, {"lr": 0.02, "weight_decay": 0.1}]),
    ("growing_batch", growing_batch, [{"lr": 0.05, "growth": 1.1}, {"lr": 0.02, "growth": 1.1}]),
    ("growing_batch", growing_batch, [{"lr": 0.05, "growth": 9.0}]),
]


@pytest.mark.parametrize(("name", "plain", "options"), CASES)
def test_fifty_steps(name: str, plain: Plain, options: list[dict[str, Any]]) -> None:
    problem = LeastSquares(len(options), BATCH)
    starts = problem.starts()
    path = torch.stack(problem.train(name, options, STEPS, schedule)[1:]).numpy()
    for k, h in enumerate(options):
        wanted = np.stack(list(plain(problem, starts[k], h, k)))
        np.testing.assert_allclose(path[:, k], wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "options", "counts"),
    [
        ("svrg", {}, [4, 2, 2, 4, 2, 2]),
        ("svrg", {"every": 2}, [4, 2, 4, 2, 4, 2]),
        ("sarah", {}, [4, 2, 2, 4, 2, 2]),
        ("page", {"probability": 1.0}, [4] * 6),
        ("page", {"probability": 1e-9}, [4, 2, 2, 2, 2, 2]),
        ("storm", {}, [1, 2, 2, 2, 2, 2]),
        ("sag", {}, [2] * 6),
        ("saga", {}, [2] * 6),
        ("growing_batch", {"growth": 2.0}, [1, 1, 1, 2, 2, 2, 3, 3, 3]),
    ],
)
def test_gradient_evaluations(name: str, options: dict[str, Any], counts: list[int]) -> None:
    problem = LeastSquares(1, BATCH)
    optimizer = problem.bind(name, [{"lr": 0.01, **options}])
    found = []
    for step in range(len(counts)):
        problem.oracle.draw(problem.index(step), step)
        optimizer.step(1.0, problem.oracle)
        (asked,) = problem.oracle.asked
        found.append(asked.gradient_evaluations)
        assert asked.loss_evaluations == asked.products == 0
    assert found == counts


@pytest.mark.parametrize("name", ["svrg", "sag", "saga", "sarah", "page", "storm", "growing_batch"])
def test_pruned_weights_stay_zero(name: str) -> None:
    problem = LeastSquares(2, BATCH)
    mask = torch.tensor([[True, False, True, True, False], [False, True, True, False, True]])
    problem.cohort.set_mask(mask)
    path = torch.stack(problem.train(name, [{"lr": 0.02, "weight_decay": 0.1}] * 2, 10))
    assert not path[:, ~mask].any()
    assert (path[-1] != path[0])[mask].all()


WRONG = [
    ("svrg", {"lr": 0.0}, "optimizer.lr = 0.0: must be greater than 0"),
    ("svrg", {"lr": 0.1, "every": -1}, "optimizer.every = -1: must be at least 0"),
    ("sarah", {"lr": 0.1, "every": 2.5}, "optimizer.every = 2.5: must be a whole number"),
    ("page", {"lr": 0.1, "probability": 0.0}, "optimizer.probability = 0.0: must be greater than"),
    ("page", {"lr": 0.1, "probability": 1.5}, "optimizer.probability = 1.5: must be at most 1"),
    ("storm", {"lr": 0.1, "c": 0.0}, "optimizer.c = 0.0: must be greater than 0"),
    ("storm", {"lr": 0.1, "offset": 0.0}, "optimizer.offset = 0.0: must be greater than 0"),
    ("growing_batch", {"lr": 0.1, "growth": 0.5}, "optimizer.growth = 0.5: must be at least 1"),
    ("saga", {"lr": 0.1, "weight_decay": -1.0}, "optimizer.weight_decay = -1.0: must be at least"),
    ("sag", {"lr": 0.1, "every": 3}, "optimizer: unknown key 'every'"),
]


@pytest.mark.parametrize(("name", "options", "sentence"), WRONG)
def test_wrong_hyperparameters_are_refused_by_name(
    name: str, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer(name, options, "optimizer")
    assert str(caught.value).startswith(sentence)
