"""On CUDA a rule gets its step's number as a double-precision tensor and its rate as a column: it
must compute what it computes from numbers, without asking for a value.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from thalweg.optim import adaptive, exponentiated, plain
from thalweg.optim.rule import Rule

RULES = [
    rule
    for family in (plain, adaptive, exponentiated)
    for rule in family.OWN
    if isinstance(rule, Rule)
]
SHAPES: dict[bool, list[tuple[int, ...]]] = {False: [(7,)], True: [(3, 4), (5,), ()]}


def trained(rule: Rule, shape: tuple[int, ...], dtype: torch.dtype, on_device: bool) -> Tensor:
    draw = torch.Generator().manual_seed(3)
    w = torch.randn(2, *shape, generator=draw, dtype=torch.float64).to(dtype)
    extra = {"momentum": 0.9} if rule.name in ("sgd", "sgd_eg", "gd_sign", "signsgd") else {}
    h = SimpleNamespace(**rule.options(lr=0.05, **extra).model_dump())
    state = rule.state(w, h)
    if on_device:
        h.lr = torch.full((2, *[1] * len(shape)), h.lr, dtype=dtype)
    for step in range(1, 13):
        g = torch.randn(2, *shape, generator=draw, dtype=torch.float64).to(dtype)
        t = torch.full((1, 1), float(step), dtype=torch.float64) if on_device else float(step)
        rule.update(w, g, state, h, t)
    return w


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_tensor_counts_steps_as_a_number_does(rule: Rule, dtype: torch.dtype) -> None:
    for shape in SHAPES[rule.by_parameter]:
        found, wanted = (trained(rule, shape, dtype, on) for on in (True, False))
        rtol, atol = (1e-4, 1e-6) if dtype == torch.float32 else (1e-11, 1e-13)
        torch.testing.assert_close(found, wanted, rtol=rtol, atol=atol)
        assert found.dtype == dtype
