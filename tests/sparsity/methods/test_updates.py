"""Every step of every method against the published update, written out in NumPy."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.sparsity.methods.trials import CLASSES, HIDDEN, INPUTS, WEIGHTS, Watch, build, digits

from thalweg.randomness import generator

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEPS, LR = 12, 0.1
SHAPES = [(HIDDEN, INPUTS), (HIDDEN,), (CLASSES, HIDDEN), (CLASSES,)]
ENDS = np.cumsum([math.prod(shape) for shape in SHAPES])
LAYERS = [slice(0, ENDS[0]), slice(ENDS[1], ENDS[2])]
IS_WEIGHT = np.zeros(ENDS[-1], dtype=bool)
for _layer in LAYERS:
    IS_WEIGHT[_layer] = True


def gradient(w: Array) -> Array:
    """Return that of the mean cross-entropy over all examples."""
    x, y = (t.numpy() for t in digits().train.batch(slice(None)))
    x = x.reshape(len(x), -1)
    W1, b1, W2, b2 = (
        part.reshape(shape) for part, shape in zip(np.split(w, ENDS[:-1]), SHAPES, strict=True)
    )
    before = x @ W1.T + b1
    hidden = np.maximum(before, 0)
    outputs = hidden @ W2.T + b2
    odds = np.exp(outputs - outputs.max(1, keepdims=True))
    error = (odds / odds.sum(1, keepdims=True) - np.eye(CLASSES)[y]) / len(x)
    back = (error @ W2) * (before > 0)
    parts = [back.T @ x, back.sum(0), error.T @ hidden, error.sum(0)]
    return np.concatenate([part.ravel() for part in parts])


def top(w: Array, keep: float) -> Mask:
    """Return the mask of the largest weights of both layers, and of all biases."""
    order = np.argsort(-np.abs(w[IS_WEIGHT]), kind="stable")[: int(keep * WEIGHTS + 1e-9)]
    within = np.zeros(WEIGHTS, dtype=bool)
    within[order] = True
    mask = ~IS_WEIGHT
    mask[IS_WEIGHT] = within
    return mask


def ramp(step: int, start: int, end: int, keep: float) -> float:
    t = min(max((step - start) / (end - start), 0), 1)
    return 1 - (1 - keep) * (1 - (1 - t) ** 3)


def gradual(w: Array) -> list[Array]:
    seen, mask = [], np.ones_like(w, dtype=bool)
    for t in range(1, STEPS + 1):
        w = (w - LR * gradient(w)) * mask
        if t in (2, 4, 6, 8, 9):
            mask = top(np.where(mask, w, 0), ramp(t, 2, 9, 0.2))
            w = w * mask
        seen.append(w)
    return seen


def projection(w: Array) -> list[Array]:
    seen = []
    w = w * top(w, 0.2)
    for _ in range(STEPS):
        w = w - LR * gradient(w)
        w = w * top(w, 0.2)
        seen.append(w)
    return seen


def proximal_l1(w: Array) -> list[Array]:
    seen = []
    for _ in range(STEPS):
        w = w - LR * gradient(w)
        shrunk = np.sign(w) * np.maximum(np.abs(w) - LR * 0.1, 0)
        w = np.where(IS_WEIGHT, shrunk, w)
        seen.append(w)
    return seen


def acdc(w: Array) -> list[Array]:
    seen, mask, before = [], np.ones_like(w, dtype=bool), "D"
    for phase in "DSSDDDSSDDSS" + "S":
        if phase != before:
            mask = top(w, 0.2) if phase == "S" else np.ones_like(mask)
        w = w * mask
        seen.append(w)
        w = (w - LR * gradient(w)) * mask
        before = phase
    return seen[1:]


def ste(w: Array) -> list[Array]:
    seen = []
    for _ in range(STEPS):
        w = w - LR * gradient(w * top(w, 0.2))
        seen.append(w)
    return seen


def top_kast(w: Array) -> list[Array]:
    seen = []
    for _ in range(STEPS):
        A, B = top(w, 0.2), top(w, 0.5)
        penalty = np.where(A, w, w / 0.2) * 0.05 * IS_WEIGHT
        w = w - LR * (gradient(w * A) + penalty) * B
        seen.append(w)
    return seen


def dpf(w: Array) -> list[Array]:
    seen, mask = [], np.ones_like(w, dtype=bool)
    for t in range(1, STEPS + 1):
        w = w - LR * gradient(w * mask)
        if t in (3, 6, 7, 9, 12):
            mask = top(w, ramp(t, 1, 7, 0.2))
        seen.append(w)
    return seen


def exchanging(growth: Callable[[Array, int], Array]) -> Callable[[Array], list[Array]]:
    def run(w: Array) -> list[Array]:
        # ε·(64 + 12) and ε·(12 + 10) of 177 weights are 137.3 and 39.7.
        seen, mask = [], ~IS_WEIGHT
        for layer, count in zip(LAYERS, (137, 40), strict=True):
            first = layer.start + np.argsort(-noise(0)[layer], kind="stable")[:count]
            mask[first] = True
        w = w * mask
        for t in range(1, STEPS + 1):
            promise = growth(w, t)
            w = (w - LR * gradient(w)) * mask
            if t in (3, 6):
                f = 0.3 / 2 * (1 + math.cos(math.pi * t / 9))
                mask = mask.copy()
                for layer in LAYERS:
                    active = layer.start + np.flatnonzero(mask[layer])
                    drops = math.floor(f * len(active))
                    assert drops > 0
                    smallest = active[np.argsort(np.abs(w[active]))[:drops]]
                    mask[smallest] = False
                    free = layer.start + np.flatnonzero(~mask[layer])
                    mask[free[np.argsort(-promise[free], kind="stable")[:drops]]] = True
                w = w * mask
            seen.append(w)
        return seen

    return run


def noise(step: int) -> Array:
    return torch.rand(ENDS[-1], generator=generator(0, "mask", step)).double().numpy()


CASES: dict[str, tuple[dict[str, Any], Callable[[Array], list[Array]]]] = {
    "gradual": ({"keep": 0.2, "start_epoch": 2, "every": 2}, gradual),
    "projection": ({"keep": 0.2}, projection),
    "proximal_l1": ({"strength": 0.1}, proximal_l1),
    "set": ({"keep": 0.2, "every": 3}, exchanging(lambda w, t: noise(t))),
    "rigl": ({"keep": 0.2, "every": 3}, exchanging(lambda w, t: np.abs(gradient(w)))),
    "acdc": (
        {"keep": 0.2, "sparse_epochs": 2, "dense_epochs": 3, "final_epochs": 2},
        acdc,
    ),
    "ste": ({"keep": 0.2}, ste),
    "top_kast": ({"keep": 0.2, "backward_keep": 0.5, "penalty": 0.05}, top_kast),
    "dpf": ({"keep": 0.2, "start_epoch": 1, "end_epoch": 7, "every": 3}, dpf),
}


@pytest.mark.parametrize("name", CASES)
def test_every_step(name: str) -> None:
    options, published = CASES[name]
    training = build(name, [options], epochs=STEPS, batch_size=None)
    expected = published(training.cohort.W[0].numpy().copy())
    watch = Watch(lambda t: t.cohort.W[0].numpy().copy())
    training.run(watch)
    for ours, theirs in zip(watch.seen, expected, strict=True):
        assert np.array_equal(ours != 0, theirs != 0)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_the_reference_gradient_is_that_of_autograd() -> None:
    training = build("projection", [{"keep": 1}], epochs=1, batch_size=None)
    start = training.cohort.W[0].numpy().copy()
    training.run()
    np.testing.assert_allclose(training.cohort.G[0].numpy(), gradient(start), atol=1e-14)
