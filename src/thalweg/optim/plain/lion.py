"""Lion: the sign of a momentum that leans towards the newest gradient."""

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.rule import Hyperparameters, Rule, Value, add_scaled_


class LionHyperparameters(Hyperparameters):
    """``beta1`` weighs the step, ``beta2`` the momentum; ``weight_decay`` is decoupled."""

    lr: float = Field(default=1e-4, gt=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.99, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)


class Lion(Rule):
    """Evolved sign momentum.

    c = β₁·m + (1−β₁)·g;  w ← (1 − η·λ)·w − η·sign(c);  m ← β₂·m + (1−β₂)·g, from m = 0.
    """

    name = "lion"
    summary = "Lion: the sign of an interpolated momentum"
    family = "plain"
    source = "Chen et al., arXiv:2302.06675"
    options = LionHyperparameters

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {"m": torch.zeros_like(w)}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        m = state["m"]
        w.mul_(1 - h.lr * h.weight_decay)
        add_scaled_(w, m.lerp(g, 1 - h.beta1).sign_(), -h.lr)
        m.lerp_(g, 1 - h.beta2)
