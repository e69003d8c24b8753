"""The adaptive rules that PyTorch has too, over 50 steps of a decaying learning rate."""

from typing import Any

import pytest
import torch
from tests.optim.plainly import (
    LeastSquares,
    agree,
    decaying,
    trained_as_rows,
    trained_by_torch,
)

import thalweg as tw
from thalweg.errors import InputError
from thalweg.optim.registry import check_optimizer

Options = dict[str, Any]

CLASSES: dict[str, tuple[Any, Any, Options]] = {
    "adagrad": (tw.optim.Adagrad, torch.optim.Adagrad, {}),
    "rmsprop": (tw.optim.RMSprop, torch.optim.RMSprop, {}),
    "adadelta": (tw.optim.Adadelta, torch.optim.Adadelta, {}),
    "amsgrad": (tw.optim.AMSGrad, torch.optim.Adam, {"amsgrad": True}),
    "adamax": (tw.optim.Adamax, torch.optim.Adamax, {}),
    "nadam": (tw.optim.NAdam, torch.optim.NAdam, {}),
    "radam": (tw.optim.RAdam, torch.optim.RAdam, {}),
}
MOMENTS: list[list[Options]] = [
    [{}, {"lr": 0.02, "weight_decay": 0.1}, {"lr": 0.03, "eps": 1e-3}],
    [{"lr": 0.02, "beta1": 0.8, "beta2": 0.95}, {"lr": 0.01, "beta1": 0.8, "beta2": 0.95}],
    [{"lr": 0.02, "beta1": 0.0, "beta2": 0.5}],
]
ROWS: dict[str, list[list[Options]]] = {
    "adagrad": [
        [{}, {"lr": 0.1, "weight_decay": 0.1}, {"lr": 0.2, "eps": 1e-3}],
        [{"lr_decay": 0.1, "initial_accumulator": 0.2, "lr": lr} for lr in (0.1, 0.2)],
    ],
    "rmsprop": [
        [{}, {"lr": 0.02, "weight_decay": 0.1}, {"lr": 0.03, "eps": 1e-3}],
        [{"momentum": 0.9, "alpha": 0.9}, {"lr": 0.02, "momentum": 0.5, "alpha": 0.9}],
        [{"centered": True}, {"lr": 0.003, "centered": True, "weight_decay": 0.1}],
        [{"centered": True, "momentum": 0.5}],
    ],
    "adadelta": [
        [{}, {"lr": 0.5, "weight_decay": 0.1}, {"eps": 1e-3}],
        [{"rho": 0.5}],
    ],
    "amsgrad": MOMENTS,
    "adamax": MOMENTS,
    "nadam": [*MOMENTS, [{"momentum_decay": 0.1}, {"lr": 0.02, "momentum_decay": 0.1}]],
    "radam": MOMENTS,
}
CASES = [(name, rows) for name, groups in ROWS.items() for rows in groups]


def in_torchs_words(options: Options, more: Options) -> Options:
    words = {**options, **more}
    if "beta1" in words:
        words["betas"] = (words.pop("beta1"), words.pop("beta2"))
    if "initial_accumulator" in words:
        words["initial_accumulator_value"] = words.pop("initial_accumulator")
    return words


@pytest.mark.parametrize(("name", "rows"), CASES)
def test_equals_torch(name: str, rows: list[Options]) -> None:
    own, theirs, more = CLASSES[name]
    together, same = trained_as_rows(name, rows), trained_as_rows(name, [rows[0]] * 2)
    for k, options in enumerate(rows):
        wanted = trained_by_torch(theirs, in_torchs_words(options, more), k)
        agree(together[k], wanted)
        agree(trained_by_torch(own, options, k), wanted)
    agree(same[1], trained_by_torch(theirs, in_torchs_words(rows[0], more), 1))


CONVERGES: dict[str, list[Options]] = {
    "adagrad": [{"lr": 0.5}, {"lr": 1.0}],
    "rmsprop": [{"lr": 0.03}, {"lr": 0.01, "centered": False, "eps": 1e-6}],
    "adadelta": [{"eps": 1e-4}, {"lr": 2.0, "eps": 1e-4}],
    "amsgrad": [{"lr": 0.1}, {"lr": 0.05}],
    "adamax": [{"lr": 0.1}, {"lr": 0.05}],
    "nadam": [{"lr": 0.1}, {"lr": 0.05}],
    "radam": [{"lr": 0.1}, {"lr": 0.2}],
}


@pytest.mark.parametrize("name", CONVERGES)
def test_converges_on_least_squares(name: str) -> None:
    distance = LeastSquares(2).distance(name, CONVERGES[name], 1000, lambda t: 0.995**t)
    assert (distance < 1e-4).all(), distance


def test_amsgrad_takes_no_longer_steps_again() -> None:
    """After one large gradient Adam's steps recover; AMSGrad's stay small."""
    steps = {}
    for optimizer in (tw.optim.Adam, tw.optim.AMSGrad):
        p = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
        own = optimizer([p], lr=0.1, beta1=0.0, beta2=0.5)
        for g in (100.0, *[0.1] * 40):
            before = p.item()
            p.grad = torch.full_like(p, g)
            own.step()
        steps[optimizer.__name__] = before - p.item()
    assert steps["Adam"] == pytest.approx(0.1, rel=1e-3)
    assert steps["AMSGrad"] < 1e-3


def test_adagrad_is_the_same_for_a_gradient_of_any_scale() -> None:
    """Where ε is 0, the step does not change when the loss is multiplied."""
    found = []
    for scale in (1e-3, 1e3):
        p = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
        own = tw.optim.Adagrad([p], lr=0.1, eps=0.0)
        for step in range(1, 20):
            p.grad = torch.tensor([step, -(step**2)], dtype=torch.float64) * scale
            own.step()
        found.append(p.detach())
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=0)


def test_a_schedule_acts_on_every_step() -> None:
    """The comparison above would not see a schedule that both sides leave out."""
    with_one = trained_as_rows("nadam", [{}], decaying)
    assert not torch.allclose(with_one, trained_as_rows("nadam", [{}], lambda step: 1.0))


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("adagrad", {"lr_decay": -1}, "adagrad.lr_decay = -1: must be at least 0"),
        (
            "adagrad",
            {"initial_accumulator": -0.1},
            "adagrad.initial_accumulator = -0.1: must be at least 0",
        ),
        ("rmsprop", {"alpha": 1}, "rmsprop.alpha = 1: must be less than 1"),
        ("rmsprop", {"centered": 1}, "rmsprop.centered = 1: must be true or false"),
        ("adadelta", {"rho": 1.1}, "adadelta.rho = 1.1: must be less than 1"),
        ("adadelta", {"eps": 0}, "adadelta.eps = 0: must be greater than 0"),
        ("amsgrad", {"beta2": 1}, "amsgrad.beta2 = 1: must be less than 1"),
        ("adamax", {"lr": 0}, "adamax.lr = 0: must be greater than 0"),
        ("nadam", {"momentum_decay": -1}, "nadam.momentum_decay = -1: must be at least 0"),
        ("radam", {"eps": -1}, "radam.eps = -1: must be at least 0"),
    ],
)
def test_what_is_wrong_is_named(name: str, options: Options, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer(name, options, name)
    assert str(caught.value) == sentence
