"""AdamW-EG and gradient descent with frozen signs against their public code's rules."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.optim.plainly import (
    Array,
    LeastSquares,
    Update,
    agree,
    constant,
    trained_as_rows,
    trained_by_torch,
    trained_plainly,
)
from tests.optim.test_rules import Net
from torch import nn

import thalweg as tw
from thalweg.errors import InputError
from thalweg.optim.registry import check_optimizer

Options = dict[str, Any]


def adamw_eg(options: Options) -> Update:
    b1: float = options.get("beta1", 0.9)
    b2: float = options.get("beta2", 0.999)
    eps: float = options.get("eps", 1e-8)
    decay: float = options.get("weight_decay", 1e-2)
    m: Array | float = 0.0
    v: Array | float = 0.0

    def update(w: Array, g: Array, lr: float, t: int) -> Array:
        nonlocal m, v
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        w = w * (1 - lr * decay)
        step = np.sign(w) * m / (np.sqrt(v) / np.sqrt(1 - b2**t) + eps)
        new: Array = w * np.exp(-lr / (1 - b1**t) * step)
        return new

    return update


def gd_sign(options: Options) -> Update:
    momentum: float = options.get("momentum", 0.0)
    decay: float = options.get("weight_decay", 0.0)
    buffer: Array | float = 0.0

    def update(w: Array, g: Array, lr: float, t: int) -> Array:
        nonlocal buffer
        d = g + decay * w
        buffer = momentum * buffer + (1 if t == 1 else 1 - options.get("dampening", 0.0)) * d
        new = w - lr * (d + momentum * buffer if options.get("nesterov") else buffer)
        new[np.sign(w) * new < 0] = 0
        return np.where(new == 0, 1e-18 * np.sign(w), new)

    return update


CASES: list[tuple[str, list[Options]]] = [
    ("adamw_eg", [{"lr": 0.05}, {"lr": 0.02, "weight_decay": 0.1}, {"lr": 0.1, "eps": 1e-3}]),
    ("adamw_eg", [{"lr": 0.05, "beta1": 0.8, "beta2": 0.95}]),
    ("gd_sign", [{"lr": 0.5}, {"lr": 0.8, "weight_decay": 0.1}]),
    ("gd_sign", [{"lr": 0.3, "momentum": 0.9}, {"lr": 0.5, "momentum": 0.8, "dampening": 0.1}]),
    ("gd_sign", [{"lr": 0.3, "momentum": 0.9, "nesterov": True}]),
]
RULES: dict[str, tuple[Any, Callable[[Options], Update]]] = {
    "adamw_eg": (tw.optim.AdamWEG, adamw_eg),
    "gd_sign": (tw.optim.GDSign, gd_sign),
}


@pytest.mark.parametrize(("name", "rows"), CASES)
def test_equals_the_public_code(name: str, rows: list[Options]) -> None:
    own, rule = RULES[name]
    together, same = trained_as_rows(name, rows), trained_as_rows(name, [rows[0]] * 2)
    for k, options in enumerate(rows):
        wanted = trained_plainly(partial(rule, options), options["lr"], k)
        agree(together[k], wanted)
        agree(trained_by_torch(own, options, k), wanted)
        assert torch.equal(together[k].sign(), Net(k).row().sign())
    agree(same[1], trained_plainly(partial(rule, rows[0]), rows[0]["lr"], 1))


def test_some_weights_are_held_at_zero_and_come_back() -> None:
    """Or the comparison above would not have tried the floor."""
    p = nn.Parameter(torch.tensor([0.1, -0.1, 0.0], dtype=torch.float64))
    own = tw.optim.GDSign([p], lr=1.0)
    p.grad = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    own.step()
    assert p.tolist() == [1e-18, -1e-18, -1.0]
    p.grad.neg_()
    own.step()
    assert p.tolist() == [1.0, -1.0, -1e-18]
    floors = trained_as_rows("gd_sign", [{"lr": 0.5}]).abs() == 1e-18
    assert 0 < floors.sum() < floors.numel()


def test_the_multiplicative_step_is_bounded() -> None:
    """Without decay |log w| moves by about η a step at most, however large the gradient."""
    p = nn.Parameter(torch.tensor([1e-6, -3.0], dtype=torch.float64))
    own = tw.optim.AdamWEG([p], lr=0.1, weight_decay=0.0)
    p.grad = torch.tensor([1e9, 1e9], dtype=torch.float64)
    own.step()
    wanted = torch.tensor([1e-6 * np.exp(-0.1), -3.0 * np.exp(0.1)], dtype=torch.float64)
    torch.testing.assert_close(p.detach(), wanted, rtol=1e-12, atol=0)


def test_adamw_eg_warns_of_zeros() -> None:
    with pytest.warns(UserWarning, match="^adamw_eg multiplies weights, so the 2 that start"):
        tw.optim.AdamWEG([nn.Parameter(torch.tensor([0.0, 1.0, 0.0]))])


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("adamw_eg", [{"lr": lr, "weight_decay": 0.0} for lr in (0.05, 0.1)]),
        ("gd_sign", [{"lr": 0.4}, {"lr": 0.5}]),
        ("gd_sign", [{"lr": 0.1, "momentum": 0.9}, {"lr": 0.2, "momentum": 0.8}]),
    ],
)
def test_converges_on_least_squares(name: str, rows: list[Options]) -> None:
    distance = LeastSquares(2).distance(name, rows, 1000, lambda t: 0.995**t)
    assert (distance < 1e-4).all(), distance


@pytest.mark.parametrize("name", ["sgd", "gd_sign"])
def test_frozen_signs_cannot_leave_their_orthant(name: str) -> None:
    """From the wrong signs gradient descent finds the solution; with frozen signs it ends at 0."""
    problem = LeastSquares(1)
    problem.cohort.W[0, :2] *= -1
    distance = problem.distance(name, [{"lr": 0.3}], 500, constant).item()
    if name == "sgd":
        assert distance < 1e-6
    else:
        assert problem.cohort.W[0, :2].abs().tolist() == [1e-18, 1e-18]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("adamw_eg", {"beta1": 1}, "adamw_eg.beta1 = 1: must be less than 1"),
        ("gd_sign", {"lr": 0}, "gd_sign.lr = 0: must be greater than 0"),
        (
            "gd_sign",
            {"lr": 0.1, "nesterov": True},
            "gd_sign: nesterov = true needs momentum above 0 and dampening = 0",
        ),
    ],
)
def test_what_is_wrong_is_named(name: str, options: Options, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer(name, options, name)
    assert str(caught.value) == sentence
