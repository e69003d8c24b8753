from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from thalweg.optim.adaptive import adam
from thalweg.optim.adaptive.adam import Adam, AdamW
from thalweg.optim.adaptive.amsgrad import AMSGrad
from thalweg.optim.adaptive.fused import fused_adam_

RULES = [Adam(), AdamW(), AMSGrad()]
ROWS, WEIGHTS = 3, 29  # no multiple of a vector register


def trained(rule: Adam, h: Any, rows: slice, dtype: torch.dtype = torch.float32) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    w = torch.randn(ROWS, WEIGHTS, generator=draw, dtype=dtype)[rows].clone()
    state = rule.state(w, h)
    for t in range(1, 21):
        g = torch.randn(ROWS, WEIGHTS, generator=draw, dtype=dtype)[rows].contiguous()
        kept = g.clone()
        rule.update(w, g, state, h, float(t))
        assert torch.equal(g, kept)
    return w


def hyperparameters(column: bool) -> Any:
    lr: float | Tensor = torch.tensor([[0.1], [0.01], [0.03]]).double() if column else 0.1
    return SimpleNamespace(lr=lr, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1)


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_one_pass_is_the_formula(rule: Adam, column: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fused = trained(rule, hyperparameters(column), slice(None), torch.float64)
    monkeypatch.setattr(adam, "fused_adam_", lambda *arguments: False)
    plain = trained(rule, hyperparameters(column), slice(None), torch.float64)
    torch.testing.assert_close(fused, plain, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_row_is_the_same_to_the_bit_in_any_company(rule: Adam) -> None:
    together = trained(rule, hyperparameters(False), slice(None))
    for row in range(ROWS):
        alone = trained(rule, hyperparameters(False), slice(row, row + 1))
        assert torch.equal(together[row : row + 1], alone)


def test_what_the_kernel_cannot_do_is_left_to_the_formula() -> None:
    h = hyperparameters(False)

    def done(w: Tensor) -> bool:
        state = {"m": torch.zeros_like(w), "v": torch.zeros_like(w)}
        return fused_adam_(w, torch.ones_like(w), state, h, 1.0, 0.0, False)

    assert done(torch.zeros(2, 5))
    assert not done(torch.zeros(2, 5, dtype=torch.bfloat16))
    assert not done(torch.zeros(5, 2).T)
