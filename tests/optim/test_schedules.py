"""Schedules against those of PyTorch, over whole trainings."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

from thalweg.errors import InputError
from thalweg.optim.schedules import SCHEDULES, Horizon, build_schedule

HORIZONS = [
    *(Horizon(steps, steps) for steps in (1, 2, 3)),
    *(Horizon(epochs * steps, steps) for epochs, steps in ((3, 1), (7, 4), (20, 5), (1, 100))),
]


def name_of(value: object) -> str:
    if isinstance(value, Horizon):
        return f"{value.steps}/{value.steps_per_epoch}"
    return ",".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


WHOLE = pytest.mark.parametrize("horizon", HORIZONS, ids=name_of)


def factors(name: str, options: dict[str, Any], horizon: Horizon) -> list[float]:
    scale = build_schedule(name, options, horizon)
    return [scale(step) for step in range(horizon.steps)]


def torchs(
    horizon: Horizon, make: Callable[[torch.optim.Optimizer], Any], each: str = "step"
) -> list[float]:
    """Return the learning rate of each step under PyTorch's scheduler, from a base rate of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for step in range(horizon.steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        last_of_epoch = (step + 1) % horizon.steps_per_epoch == 0
        if step + 1 < horizon.steps and (each == "step" or last_of_epoch):
            scheduler.step()
    return rates


@WHOLE
def test_constant(horizon: Horizon) -> None:
    assert factors("constant", {}, horizon) == [1.0] * horizon.steps


@pytest.mark.parametrize("options", [{"every_epochs": 1}, {"every_epochs": 3, "gamma": 0.9}])
@WHOLE
def test_step(horizon: Horizon, options: dict[str, Any]) -> None:
    wanted = torchs(
        horizon,
        lambda o: lr_scheduler.StepLR(o, options["every_epochs"], options.get("gamma", 0.1)),
        each="epoch",
    )
    assert factors("step", options, horizon) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
@WHOLE
def test_cosine(horizon: Horizon, final: float) -> None:
    wanted = torchs(
        horizon, lambda o: lr_scheduler.CosineAnnealingLR(o, horizon.steps, eta_min=final)
    )
    assert factors("cosine", {"final": final}, horizon) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rise": 0.5},
        {"rise": 0.9, "div_factor": 10.0, "final_div_factor": 100.0},
        {"rise": 0.01, "div_factor": 1.0},
    ],
    ids=name_of,
)
@WHOLE
def test_one_cycle(horizon: Horizon, options: dict[str, Any]) -> None:
    theirs = {
        "pct_start": options.get("rise", 0.3),
        "div_factor": options.get("div_factor", 25.0),
        "final_div_factor": options.get("final_div_factor", 1e4),
    }
    if theirs["pct_start"] * horizon.steps == 1.0:
        # The rise is no step long: PyTorch divides by zero. The peak comes first, then the fall.
        found = factors("one_cycle", options, horizon)
        assert found[0] == 1.0
        assert found == sorted(found, reverse=True)
        return
    wanted = torchs(
        horizon,
        lambda o: lr_scheduler.OneCycleLR(
            o, max_lr=1.0, total_steps=horizon.steps, cycle_momentum=False, **theirs
        ),
    )
    assert factors("one_cycle", options, horizon) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("main", ["constant", "cosine", "step"])
@pytest.mark.parametrize("warmup_epochs", [0.5, 1, 2, 100])
@WHOLE
def test_warm_up(horizon: Horizon, warmup_epochs: float, main: str) -> None:
    options = {"every_epochs": 1} if main == "step" else {}
    found = factors(main, {**options, "warmup_epochs": warmup_epochs}, horizon)
    warmup = min(round(warmup_epochs * horizon.steps_per_epoch), horizon.steps)
    rise = [(step + 1) / warmup for step in range(warmup)]
    rest = factors(main, options, Horizon(horizon.steps - warmup, horizon.steps_per_epoch))
    assert found == pytest.approx(rise + rest, rel=1e-12)
    assert all(0 < factor <= 1 for factor in found)


def test_a_cosine_by_hand() -> None:
    found = factors("cosine", {"final": 0.2}, Horizon(4, 1))
    root = math.sqrt(0.5)
    assert found == pytest.approx([1, 0.6 + 0.4 * root, 0.6, 0.6 - 0.4 * root], rel=1e-12)


@WHOLE
@pytest.mark.parametrize("name", SCHEDULES.names())
def test_every_schedule_is_finite_on_and_past_its_horizon(name: str, horizon: Horizon) -> None:
    options = {"every_epochs": 2} if name == "step" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scale = build_schedule(name, options, horizon)
        found = [scale(step) for step in range(horizon.steps + 1)]
    assert all(math.isfinite(factor) and factor >= 0 for factor in found)
    assert max(found) <= 1 + 1e-12


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("step", {}, "train.schedule.every_epochs: is missing and has no default"),
        ("step", {"every_epochs": 0}, "train.schedule.every_epochs = 0: must be at least 1"),
        (
            "step",
            {"every_epochs": 1, "gamma": 1.5},
            "train.schedule.gamma = 1.5: must be at most 1",
        ),
        ("cosine", {"final": -0.1}, "train.schedule.final = -0.1: must be at least 0"),
        ("cosine", {"finale": 0.1}, "train.schedule: unknown key 'finale'; did you mean 'final'?"),
        ("one_cycle", {"rise": 1}, "train.schedule.rise = 1: must be less than 1"),
        ("one_cycle", {"warmup_epochs": 1}, "train.schedule: unknown key 'warmup_epochs'"),
        ("constant", {"warmup_epochs": -1}, "train.schedule.warmup_epochs = -1: must be at least"),
        ("linear", {}, "unknown schedule 'linear'"),
        ("math:cos", {}, "unknown schedule 'math:cos'"),
    ],
)
def test_wrong_options_get_one_sentence(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        build_schedule(name, options, Horizon(10, 5))
    assert str(caught.value).startswith(sentence)
