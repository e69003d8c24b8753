"""Strangers' optimizers on a cohort: refused, scheduled, counted, and not trusted."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.optim.oracles import CallableOracle, silent
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from thalweg.cohort import Cohort
from thalweg.errors import InputError, ThalwegError
from thalweg.optim.registry import (
    OPTIMIZERS,
    bind_optimizer,
    check_optimizer,
    needs_own_cohort,
    structure,
)

STRANGERS = '''
import torch


class Groups(torch.optim.Optimizer):
    """Splits its parameters in two groups, the second ten times as slow; plain SGD."""

    def __init__(self, params, lr=0.1, beta=0.0):
        params = list(params)
        groups = [{"params": params[:1], "lr": lr}, {"params": params[1:], "lr": lr / 10}]
        super().__init__(groups, {"beta": beta})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] * p.grad)


class NoRate(torch.optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, {})

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.sub_(0.5 * p.grad)


class Fails(NoRate):
    def step(self, closure=None):
        raise KeyError("on the second line\\nthere is more")


class Picky(NoRate):
    def __init__(self, params, key=None):
        super().__init__(params)
        {"known": 1}[key]


class Twice(NoRate):
    """Evaluates its closure twice."""

    def step(self, closure):
        closure()
        super().step()
        return closure()


def function(params):
    return None
'''


@pytest.fixture(autouse=True)
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strangers.py").write_text(STRANGERS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "strangers", raising=False)


def cohort(rows: int = 2) -> Cohort:
    generator = torch.Generator().manual_seed(0)
    modules = [nn.Linear(3, 2) for _ in range(rows)]
    for module in modules:
        for parameter in module.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
    found = Cohort(modules, range(rows), dtype=torch.float64)
    found.G.copy_(torch.randn(found.G.shape, generator=generator))
    return found


def test_the_schedule_reaches_every_group() -> None:
    ours = cohort()
    start = ours.W.clone()
    optimizer = bind_optimizer("strangers:Groups", ours, [{"lr": 0.2}, {"lr": 0.4}])
    rates = torch.tensor([[0.2] * 6 + [0.02] * 2, [0.4] * 6 + [0.04] * 2], dtype=torch.float64)
    optimizer.step(0.5, silent(ours))
    torch.testing.assert_close(ours.W, start - 0.5 * rates * ours.G, rtol=1e-12, atol=1e-14)
    column = torch.tensor([[0.1], [0.3]], dtype=torch.float64)
    optimizer.step(column, silent(ours))  # of the base rate, not of the last one
    wanted = start - (0.5 + column) * rates * ours.G
    torch.testing.assert_close(ours.W, wanted, rtol=1e-12, atol=1e-14)


def test_an_optimizer_without_a_learning_rate() -> None:
    ours = cohort()
    start = ours.W.clone()
    bind_optimizer("strangers:NoRate", ours, [{}, {}]).step(0.1, silent(ours))
    torch.testing.assert_close(ours.W, start - 0.5 * ours.G, rtol=1e-12, atol=1e-14)


def test_a_loaded_state_keeps_to_its_own_schedule() -> None:
    first, second = cohort(1), cohort(1)
    saved = bind_optimizer("torch.optim:Adam", first, [{"lr": 0.1}])
    saved.step(0.25, silent(first))
    loaded = bind_optimizer("torch.optim:Adam", second, [{"lr": 0.1}])
    loaded.load_row_state(0, saved.row_state(0))
    second.W.copy_(first.W)
    saved.step(1.0, silent(first))
    loaded.step(1.0, silent(second))
    assert torch.equal(first.W, second.W)


def test_exceptions_in_a_step_become_ours() -> None:
    ours = cohort()
    optimizer = bind_optimizer("strangers:Fails", ours, [{}, {}])
    with pytest.raises(ThalwegError) as caught:
        optimizer.step(1.0, silent(ours))
    assert not isinstance(caught.value, InputError)
    message = str(caught.value)
    assert message.startswith("optimizer Fails raised KeyError in its step: ")
    assert "\n" not in message
    assert isinstance(caught.value.__cause__, KeyError)


def quadratic(ours: Cohort) -> Any:
    """A closure: the loss of fitting a line, with its gradient in G."""
    x = torch.linspace(-1, 1, 21, dtype=torch.float64).view(7, 3)
    y = x @ torch.tensor([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]], dtype=torch.float64)

    def closure() -> Tensor:
        w = ours.W[0].clone().requires_grad_()
        loss = mse_loss(x @ w[:6].view(2, 3).T + w[6:], y)
        (ours.G[0],) = torch.autograd.grad(loss, w)
        closure.calls += 1
        return loss.detach().unsqueeze(0)

    closure.calls = 0
    return closure


def test_lbfgs_counts_its_evaluations() -> None:
    ours = cohort(1)
    closure = quadratic(ours)
    options = {"lr": 1.0, "max_iter": 7, "line_search_fn": "strong_wolfe"}
    optimizer = bind_optimizer("torch.optim:LBFGS", ours, [options])
    closure()
    closure.calls = 0
    oracle = CallableOracle(ours, closure)
    for _ in range(3):
        optimizer.step(1.0, oracle)
    assert oracle.asked[0].gradient_evaluations == closure.calls > 3
    alone = nn.Parameter(cohort(1).W[0].clone())
    theirs = torch.optim.LBFGS([alone], **options)
    held = quadratic(shadow := cohort(1))

    def plain() -> Tensor:
        shadow.W[0] = alone.detach()
        loss = held()[0]
        alone.grad = shadow.G[0].clone()
        return loss

    for _ in range(3):
        theirs.step(plain)
    torch.testing.assert_close(ours.W[0], alone.detach(), rtol=1e-6, atol=1e-9)


def test_a_required_closure_is_noticed_and_given() -> None:
    ours = cohort(1)
    closure = quadratic(ours)
    bind_optimizer("strangers:Twice", ours, [{}]).step(1.0, CallableOracle(ours, closure))
    assert closure.calls == 2
    with pytest.raises(ValueError, match="needs a cohort of one row"):
        bind_optimizer("torch.optim:LBFGS", cohort(2), [{}, {}])


def test_which_optimizers_train_alone() -> None:
    assert needs_own_cohort("torch.optim:LBFGS")
    assert needs_own_cohort("strangers:Twice")
    names = [*OPTIMIZERS.names(), "torch.optim:Adam", "torch.optim:RMSprop", "strangers:Groups"]
    assert not any(needs_own_cohort(name) for name in names)


def test_which_runs_share_a_cohort() -> None:
    plain, momentum = {"lr": 0.1}, {"lr": 0.3, "momentum": 0.9}
    assert structure("sgd", plain) == structure("sgd", {"lr": 1.0, "weight_decay": 0.1})
    assert structure("sgd", plain) != structure("sgd", momentum)
    assert structure("sgd", momentum) == structure(
        "sgd", {"lr": 0.1, "momentum": 0.5, "dampening": 0.1}
    )
    assert structure("sgd", momentum) != structure("sgd", {**momentum, "nesterov": True})
    assert structure("sgd", momentum) != structure("sgd_eg", momentum)
    assert structure("adam", {}) == structure("adam", {"lr": 0.1, "eps": 1e-4})
    assert structure("adam", {}) != structure("adam", {"lr": 0.1, "beta1": 0.5})
    assert structure("adam", {}) != structure("adamw", {})
    assert structure("torch.optim:Adam", {"lr": 1}) == structure("torch.optim:Adam", {"lr": 2})
    assert structure("torch.optim:Adam", {}) != structure("torch.optim:AdamW", {})
    hash(structure("sgd", plain))


def test_a_strangers_summary_is_the_first_line_of_its_docstring() -> None:
    assert OPTIMIZERS["strangers:Twice"].summary == "Evaluates its closure twice."


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        (
            "torch.optim:Adam",
            {"lr": -1},
            "optimizer: torch.optim:Adam(lr=-1) was refused: Invalid learning rate: -1",
        ),
        (
            "torch.optim:Adam",
            {"betas": [0.9]},
            "optimizer: torch.optim:Adam(betas=[0.9]) was refused: list index out of range",
        ),
        (
            "strangers:Picky",
            {"key": "unknown"},
            "optimizer: strangers:Picky(key='unknown') was refused: 'unknown'",
        ),
        (
            "torch.optim:Adam",
            {"learning_rate": 0.1},
            "torch.optim:Adam: unknown key 'learning_rate'",
        ),
        (
            "torch.optim:Adagrad",
            {"lr_deacy": 0.1},
            "torch.optim:Adagrad: unknown key 'lr_deacy'; did you mean 'lr_decay'?",
        ),
        (
            "strangers:function",
            {},
            "optimizer 'strangers:function': must be a subclass of torch.optim.Optimizer",
        ),
        (
            "torch.optim:Adm",
            {},
            "'torch.optim:Adm': unknown name 'Adm'; did you mean 'Adam'?",
        ),
        ("sdg", {"lr": 0.1}, "unknown optimizer 'sdg'; did you mean 'sgd'?"),
    ],
)
def test_one_sentence_for_each_refusal(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        check_optimizer(name, options, "optimizer")
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_a_network_that_an_optimizer_cannot_take_is_refused_in_one_sentence() -> None:
    with pytest.raises(InputError, match=r"^optimizer: Muon\(\) was refused: Muon only supports"):
        bind_optimizer("torch.optim:Muon", cohort(1), [{}])
