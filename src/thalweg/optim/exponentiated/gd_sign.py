"""Gradient descent that keeps signs: the additive counterpart of exponentiated gradient."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from thalweg.optim.plain.sgd import SGD
from thalweg.optim.rule import Rule, Value

FLOOR = 1e-18
"""Where a weight that would cross 0 is held: not at 0, so that it still has its sign."""


class GDSign(SGD):
    """SGD with frozen signs.

    w' is the step of `sgd`;  w ← w', but sign(w)·1e-18 where w' has another sign or none. A
    weight of exactly 0 has no sign yet and takes that of its first step.
    """

    name = "gd_sign"
    summary = "SGD with frozen signs: a weight that would cross 0 stops there"
    family = "exponentiated"
    source = "Cornford et al., bioRxiv 2024.10.25.620272; linclab/EG_optimiser sgd_eg.py"
    stability = Rule.stability  # a weight that is stopped at 0 cannot swing about it

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        sign = w.sign()
        super().update(w, g, state, h, t)
        lost = (sign * w <= 0) & (sign != 0)
        w.copy_(torch.where(lost, sign * FLOOR, w))
