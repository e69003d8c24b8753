"""Adadelta: steps in the units of the weights."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.rule import Hyperparameters, Rule, Value, add_scaled_, add_weight_decay


class AdadeltaHyperparameters(Hyperparameters):
    """``rho`` is the decay rate of both mean squares."""

    lr: float = Field(default=1.0, gt=0)
    rho: float = Field(default=0.9, ge=0, lt=1)
    eps: float = Field(default=1e-6, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)


class Adadelta(Rule):
    """Adadelta; weight decay is added to the gradient.

    v ← ρ·v + (1−ρ)·g²;  d = √(u + ε)/√(v + ε)·g;  u ← ρ·u + (1−ρ)·d²;  w ← w − η·d.
    """

    name = "adadelta"
    summary = "Adadelta: gradients rescaled by past steps"
    family = "adaptive"
    source = "Zeiler, arXiv:1212.5701; torch.optim.Adadelta"
    options = AdadeltaHyperparameters

    def structure(self, h: Any) -> Hashable:
        return (h.rho,)  # 1 − ρ loses digits as a column

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {"v": torch.zeros_like(w), "u": torch.zeros_like(w)}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        g = add_weight_decay(g, w, h.weight_decay)
        v, u = state["v"], state["u"]
        v.mul_(h.rho).addcmul_(g, g, value=1 - h.rho)
        d = (u + h.eps).sqrt_().div_((v + h.eps).sqrt_()).mul_(g)
        u.mul_(h.rho).addcmul_(d, d, value=1 - h.rho)
        add_scaled_(w, d, -h.lr)
