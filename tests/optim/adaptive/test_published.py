"""Adan, LAMB and LARS against their published rules, over 50 steps of a decaying rate."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.oracles import silent
from tests.optim.plainly import (
    Array,
    LeastSquares,
    Update,
    agree,
    gradients,
    trained_as_rows,
    trained_by_torch,
    trained_plainly,
)
from tests.optim.test_rules import Net
from torch import nn

import thalweg as tw
from thalweg.cohort import Cohort
from thalweg.errors import InputError
from thalweg.optim.registry import bind_optimizer, check_optimizer

Options = dict[str, Any]


def adan(options: Options) -> Update:
    b1: float = options.get("beta1", 0.98)
    b2: float = options.get("beta2", 0.92)
    b3: float = options.get("beta3", 0.99)
    eps: float = options.get("eps", 1e-8)
    decay: float = options.get("weight_decay", 0.0)
    m = d = n = previous = np.zeros(0)

    def update(w: Array, g: Array, lr: float, t: int) -> Array:
        nonlocal m, d, n, previous
        if t == 1:
            m, d, n, previous = np.zeros_like(g), np.zeros_like(g), np.zeros_like(g), g
        m = b1 * m + (1 - b1) * g
        d = b2 * d + (1 - b2) * (g - previous)
        n = b3 * n + (1 - b3) * (g + b2 * (g - previous)) ** 2
        previous = g
        step = (m / (1 - b1**t) + b2 * d / (1 - b2**t)) / (np.sqrt(n / (1 - b3**t)) + eps)
        return (w - lr * step) / (1 + lr * decay)

    return update


def lamb(options: Options) -> Update:
    b1: float = options.get("beta1", 0.9)
    b2: float = options.get("beta2", 0.999)
    eps: float = options.get("eps", 1e-6)
    decay: float = options.get("weight_decay", 0.0)
    m: Array | float = 0.0
    v: Array | float = 0.0

    def update(w: Array, g: Array, lr: float, t: int) -> Array:
        nonlocal m, v
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        r = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps) + decay * w
        new: Array = w - lr * np.sqrt((w**2).sum()) / np.sqrt((r**2).sum()) * r
        return new

    return update


def lars(options: Options) -> Update:
    momentum: float = options.get("momentum", 0.9)
    decay: float = options.get("weight_decay", 0.0)
    trust: float = options.get("trust_coefficient", 1e-3)
    v: Array | float = 0.0

    def update(w: Array, g: Array, lr: float, t: int) -> Array:
        nonlocal v
        size, slope = np.sqrt((w**2).sum()), np.sqrt((g**2).sum())
        local = trust * size / (slope + decay * size)
        v = momentum * v + lr * local * (g + decay * w)
        return w - v

    return update


RULES: dict[str, tuple[Any, Callable[[Options], Update], list[list[Options]]]] = {
    "adan": (
        tw.optim.Adan,
        adan,
        [
            [{"lr": 0.01}, {"lr": 0.02, "weight_decay": 0.1}, {"lr": 0.03, "eps": 1e-3}],
            [{"lr": 0.01, "beta1": 0.9, "beta2": 0.8, "beta3": 0.95}],
        ],
    ),
    "lamb": (
        tw.optim.LAMB,
        lamb,
        [
            [{"lr": 0.01}, {"lr": 0.02, "weight_decay": 0.1}, {"lr": 0.03, "eps": 1e-3}],
            [{"lr": 0.01, "beta1": 0.8, "beta2": 0.95}],
        ],
    ),
    "lars": (
        tw.optim.LARS,
        lars,
        [
            [{"lr": 5.0}, {"lr": 8.0, "weight_decay": 0.1}, {"lr": 1.0, "momentum": 0.5}],
            [{"lr": 1.0, "trust_coefficient": 0.01}],
        ],
    ),
}


@pytest.mark.parametrize(
    ("name", "rows"), [(name, rows) for name, (_, _, groups) in RULES.items() for rows in groups]
)
def test_equals_the_published_rule(name: str, rows: list[Options]) -> None:
    own, rule, _ = RULES[name]
    together, same = trained_as_rows(name, rows), trained_as_rows(name, [rows[0]] * 2)
    for k, options in enumerate(rows):
        wanted = trained_plainly(partial(rule, options), options["lr"], k)
        agree(together[k], wanted)
        agree(trained_by_torch(own, options, k), wanted)
    agree(same[1], trained_plainly(partial(rule, rows[0]), rows[0]["lr"], 1))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("adan", [{"lr": 0.05}, {"lr": 0.1}]),
        ("lamb", [{"lr": 0.02}, {"lr": 0.05}]),
        ("lars", [{"lr": 20.0, "momentum": 0.5}, {"lr": 10.0}]),
    ],
)
def test_converges_on_least_squares(name: str, rows: list[Options]) -> None:
    distance = LeastSquares(2).distance(name, rows, 1000, lambda t: 0.995**t)
    assert (distance < 1e-3).all(), distance


@pytest.mark.parametrize("name", ["lamb", "lars"])
def test_a_parameter_of_zeros_takes_the_step_unscaled(name: str) -> None:
    g = torch.tensor([3.0, -4.0], dtype=torch.float64)
    moved = {}
    for start in (0.0, 1e-3):
        p = nn.Parameter(torch.full((2,), start, dtype=torch.float64))
        p.grad = g.clone()
        RULES[name][0]([p], lr=0.5).step()
        moved[start] = p.detach() - start
    unscaled = {"lamb": -0.5 * g.sign(), "lars": -0.5 * g}[name]
    torch.testing.assert_close(moved[0.0], unscaled, rtol=1e-6, atol=0)
    assert moved[1e-3].norm() < 1e-2


def test_lamb_moves_each_parameter_by_its_size() -> None:
    """‖Δw‖ = η·‖w‖ in every parameter, whatever the gradient's scale."""
    net = Net(0)
    cohort = Cohort([net, net], [0, 1], dtype=torch.float64)
    before = cohort.W.clone()
    row = torch.from_numpy(np.concatenate([g.ravel() for g in gradients(net, 0)]))
    cohort.G.copy_(torch.stack([row, 1e6 * row]))
    bind_optimizer("lamb", cohort, [{"lr": 0.1, "eps": 0.0}, {"lr": 0.2, "eps": 0.0}]).step(
        1.0, silent(cohort)
    )
    old, new = cohort.layout.views(before), cohort.layout.views(cohort.W)
    for name, w in old.items():
        for k, lr in enumerate((0.1, 0.2)):
            assert (new[name][k] - w[k]).norm().item() == pytest.approx(lr * w[k].norm().item())


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("adan", {"beta3": 1}, "adan.beta3 = 1: must be less than 1"),
        ("lamb", {"weight_decay": -1}, "lamb.weight_decay = -1: must be at least 0"),
        ("lars", {}, "lars.lr: is missing and has no default"),
        (
            "lars",
            {"lr": 1, "trust_coefficient": 0},
            "lars.trust_coefficient = 0: must be greater than 0",
        ),
    ],
)
def test_what_is_wrong_is_named(name: str, options: Options, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer(name, options, name)
    assert str(caught.value) == sentence
