"""signSGD, Signum and Lion against their published rules."""

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
    trained_as_rows,
    trained_by_torch,
    trained_plainly,
)
from torch import nn

import thalweg as tw
from thalweg.errors import InputError
from thalweg.optim.registry import check_optimizer


def signum(options: dict[str, Any]) -> Update:
    beta: float = options.get("momentum", 0.0)
    decay: float = options.get("weight_decay", 0.0)
    m: Array | float = 0.0

    def update(w: Array, g: Array, lr: float, t: int) -> Array:
        nonlocal m
        m = beta * m + (1 - beta) * g
        return w - lr * decay * w - lr * np.sign(m)

    return update


def lion(options: dict[str, Any]) -> Update:
    beta1: float = options.get("beta1", 0.9)
    beta2: float = options.get("beta2", 0.99)
    decay: float = options.get("weight_decay", 0.0)
    m: Array | float = 0.0

    def update(w: Array, g: Array, lr: float, t: int) -> Array:
        nonlocal m
        direction = np.sign(beta1 * m + (1 - beta1) * g)
        m = beta2 * m + (1 - beta2) * g
        return w - lr * (direction + decay * w)

    return update


CASES = [
    ("signsgd", signum, [{"lr": 0.01}, {"lr": 0.02, "weight_decay": 0.1}]),
    ("signsgd", signum, [{"lr": 0.01, "momentum": 0.9}, {"lr": 0.02, "momentum": 0.5}]),
    ("lion", lion, [{"lr": 0.01}, {"lr": 0.02, "weight_decay": 0.1}]),
    ("lion", lion, [{"lr": 0.01, "beta1": 0.8}, {"lr": 0.02, "beta2": 0.9}]),
]


@pytest.mark.parametrize(("name", "rule", "rows"), CASES)
def test_equals_the_published_rule(name: str, rule: Any, rows: list[dict[str, Any]]) -> None:
    own = {"signsgd": tw.optim.SignSGD, "lion": tw.optim.Lion}[name]
    together, same = trained_as_rows(name, rows), trained_as_rows(name, [rows[1]] * 2)
    for k, options in enumerate(rows):
        wanted = trained_plainly(partial(rule, options), options["lr"], k)
        agree(together[k], wanted)
        agree(trained_by_torch(own, options, k), wanted)
    agree(same[1], wanted)


@pytest.mark.parametrize(
    ("name", "options"), [("signsgd", {}), ("signsgd", {"momentum": 0.9}), ("lion", {})]
)
def test_converges_on_least_squares(name: str, options: dict[str, Any]) -> None:
    rows = [{"lr": 0.05, **options}, {"lr": 0.1, **options}]
    distance = LeastSquares(2).distance(name, rows, 1000, lambda step: 0.985**step)
    assert (distance < 1e-4).all()


@pytest.mark.parametrize("optimizer", [tw.optim.SignSGD, tw.optim.Lion])
def test_every_step_is_as_long_as_the_learning_rate(optimizer: Any) -> None:
    p = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    p.grad = torch.tensor([1e-9, -1e9, 0.0], dtype=torch.float64)
    optimizer([p], lr=0.25).step()
    assert p.tolist() == [-0.25, 0.25, 0.0]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("signsgd", {"lr": 0.1, "momentum": 1}, "signsgd.momentum = 1: must be less than 1"),
        ("signsgd", {}, "signsgd.lr: is missing and has no default"),
        ("lion", {"beta1": 1.5}, "lion.beta1 = 1.5: must be less than 1"),
        ("lion", {"beta2": -1}, "lion.beta2 = -1: must be at least 0"),
        ("lion", {"lr": 0}, "lion.lr = 0: must be greater than 0"),
    ],
)
def test_what_is_wrong_is_named(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer(name, options, name)
    assert str(caught.value) == sentence
