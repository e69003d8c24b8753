"""Methods as PyTorch optimizers: the same steps as on a cohort, driven by a closure."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.optim.least_squares import EXAMPLES, FEATURES, LeastSquares
from torch import Tensor, nn

import thalweg as tw
from thalweg.errors import InputError
from thalweg.optim import OPTIMIZERS
from thalweg.optim.method import Method

BATCH, STEPS = 8, 30
CASES: dict[str, dict[str, Any]] = {
    "SAM": {"lr": 0.05, "momentum": 0.9},
    "ASAM": {"lr": 0.05},
    "GSAM": {"lr": 0.05, "momentum": 0.5, "nesterov": True},
    "GradientNorm": {"lr": 0.05, "weight_decay": 0.1},
    "SPS": {},
    "Armijo": {"lr": 0.3},
    "SVRG": {"lr": 0.05},
}
METHODS = {type(e.target).__name__: e.target for e in OPTIMIZERS if isinstance(e.target, Method)}


class Fit:
    """The problem of `LeastSquares` as anyone would write it: a module and closures."""

    def __init__(self) -> None:
        self.problem = LeastSquares(1, batch=BATCH)
        self.x, self.y = torch.from_numpy(self.problem.x), torch.from_numpy(self.problem.y)
        self.line = nn.Linear(FEATURES, 1, bias=False, dtype=torch.float64)
        with torch.no_grad():
            self.line.weight.copy_(self.problem.cohort.W)
        self.step = 0

    def closure_of(self, rows: Callable[[], Tensor]) -> Callable[[], Tensor]:
        def closure() -> Tensor:
            self.line.zero_grad()
            index = rows()
            loss: Tensor = (self.line(self.x[index])[:, 0] - self.y[index]).square().mean()
            loss.backward()
            return loss

        return closure

    def batch(self) -> Tensor:
        return self.problem.index(self.step)

    def make(self, name: str, options: dict[str, Any]) -> Any:  # a step that takes any closure
        more = {}
        if "full pass" in METHODS[name].needs:
            more["full_closure"] = self.closure_of(lambda: torch.arange(EXAMPLES))
        factory = getattr(tw.optim, name)
        batches = EXAMPLES // BATCH
        return factory(self.line.parameters(), batches_per_epoch=batches, **more, **options)

    def train(self, optimizer: Any, steps: int) -> list[float]:
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.99**self.step)
        losses = []
        for _ in range(steps):
            losses.append(optimizer.step(self.closure_of(self.batch)).item())
            self.step += 1
            scheduler.step()
        return losses


@pytest.mark.parametrize("name", CASES)
def test_the_steps_are_those_of_a_cohort_of_one(name: str) -> None:
    fit = Fit()
    fit.train(fit.make(name, CASES[name]), STEPS)
    method = METHODS[name].name
    wanted = LeastSquares(1, batch=BATCH).train(method, [CASES[name]], STEPS, lambda t: 0.99**t)
    torch.testing.assert_close(fit.line.weight.detach(), wanted[-1], rtol=1e-9, atol=1e-12)
    assert (wanted[-1] - wanted[0]).abs().max() > 0.1


def test_products_are_differences_of_gradients() -> None:
    """On a quadratic those are exact up to rounding, so the exact search still is."""
    fit = Fit()
    optimizer = fit.make("ExactLineSearch", {})
    for _ in range(40):
        optimizer.step(fit.closure_of(lambda: torch.arange(EXAMPLES)))
    wanted = LeastSquares(1).train("exact_line_search", [{}], 40)[-1]
    torch.testing.assert_close(fit.line.weight.detach(), wanted, rtol=1e-7, atol=1e-9)


def test_the_loss_at_the_start_is_returned() -> None:
    fit = Fit()
    wanted = fit.problem.loss(fit.problem.starts()[0], 0)
    assert fit.train(fit.make("SAM", {"lr": 0.1}), 1) == pytest.approx([wanted], rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_a_state_dict_resumes_to_the_bit(name: str) -> None:
    whole, parted = Fit(), Fit()
    whole.train(whole.make(name, CASES[name]), 20)
    first = parted.make(name, CASES[name])
    closures = [0.99**step for step in range(20)]
    for step, scale in enumerate(closures):
        if step == 7:
            state = first.state_dict()
            first = parted.make(name, {**CASES[name], "lr": 3.0})
            first.load_state_dict(state)
        first.param_groups[0]["lr"] = CASES[name].get("lr", 1.0) * scale
        parted.step = step
        first.step(parted.closure_of(parted.batch))
    assert torch.equal(parted.line.weight, whole.line.weight)


def test_a_changed_parameter_is_seen() -> None:
    fit = Fit()
    optimizer = fit.make("SAM", {"lr": 0.1})
    fit.train(optimizer, 1)
    with torch.no_grad():
        fit.line.weight.zero_()
    assert fit.train(optimizer, 1) == pytest.approx([fit.problem.loss(0 * fit.problem.best, 1)])


def test_frozen_parameters_stay() -> None:
    frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    free = nn.Parameter(torch.ones(2))
    optimizer = tw.optim.SAM([frozen, free], lr=0.1)

    def closure() -> Tensor:
        free.grad = None
        loss = (free * frozen).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert torch.equal(frozen, torch.ones(2))
    assert (free < 1).all()


def group(name: str, params: Any = None, **options: Any) -> torch.optim.Optimizer:
    found: torch.optim.Optimizer = getattr(tw.optim, name)(
        [nn.Parameter(torch.ones(2))] if params is None else params, **options
    )
    return found


def test_what_closures_cannot_give_is_refused_in_one_sentence() -> None:
    one, other = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2).double())
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("SAM", {"lr": -0.1}, "sam.lr = -0.1: must be greater than 0"),
        (
            "SVRG",
            {"lr": 0.1},
            "svrg: full_closure is missing, the closure of all training examples' loss",
        ),
        (
            "SAM",
            {"lr": 0.1, "full_closure": lambda: None},
            "sam: full_closure is given, but it needs no full passes",
        ),
        (
            "SAGA",
            {"lr": 0.1},
            "saga: needs gradients of other examples than the batch's, which a closure cannot give",
        ),
        (
            "NewtonCG",
            {"curvature": "gauss_newton"},
            "newton_cg.curvature = 'gauss_newton': needs the network's outputs, which a closure "
            "cannot give",
        ),
        (
            "SAM",
            {"params": [{"params": [one]}, {"params": [other]}], "lr": 0.1},
            "sam: takes one group of parameters",
        ),
        (
            "SAM",
            {"params": [one, other], "lr": 0.1},
            "sam: takes parameters of one type and on one device",
        ),
    ]
    for name, options, sentence in cases:
        with pytest.raises(InputError) as caught:
            group(name, **options)
        assert str(caught.value) == sentence


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_or_says_why_not(name: str) -> None:
    fit = Fit()
    options = {"lr": 0.01} if METHODS[name].options.model_fields["lr"].is_required() else {}
    if {"examples", "model"} & METHODS[name].needs:
        with pytest.raises(InputError, match=r"^\w+: needs .*, which a closure cannot give$"):
            fit.make(name, options)
        return
    start = fit.line.weight.detach().clone()
    fit.train(fit.make(name, options), 3)
    assert torch.isfinite(fit.line.weight).all()
    assert not torch.equal(fit.line.weight, start)
