"""Adam, and Adam with decoupled weight decay."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.rule import Hyperparameters, Rule, Value, add_weight_decay


class AdamHyperparameters(Hyperparameters):
    """``beta1`` and ``beta2`` are the decay rates of the first and second moment."""

    lr: float = Field(default=1e-3, gt=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    eps: float = Field(default=1e-8, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)


class AdamWHyperparameters(AdamHyperparameters):
    weight_decay: float = Field(default=1e-2, ge=0)


def adam_step_(w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
    """One Adam update of ``w`` from the gradient ``g``, in place.

    m ← β₁·m + (1−β₁)·g;  v ← β₂·v + (1−β₂)·g²;
    w ← w − η/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε).
    """
    m, v = state["m"], state["v"]
    m.lerp_(g, 1 - h.beta1)
    v.mul_(h.beta2).addcmul_(g, g, value=1 - h.beta2)
    root = _correction(h.beta2, t, w) ** 0.5
    denominator = v.sqrt().div_(root).add_(h.eps)
    rate = h.lr / _correction(h.beta1, t, w)
    if isinstance(rate, Tensor):
        w.sub_((m / denominator).mul_(rate))
    else:
        w.addcdiv_(m, denominator, value=-rate)


def _correction(beta: float, t: Value, like: Tensor) -> Value:
    """Return 1 − βᵗ, computed in double precision: with β = 0.999 and t = 1 single precision would
    lose four digits.
    """
    correction = 1 - beta**t
    return correction.to(like.dtype) if isinstance(correction, Tensor) else correction


class Adam(Rule):
    """Adam; weight decay is added to the gradient (g + λ·w)."""

    name = "adam"
    summary = "Adam; weight decay as an L2 penalty"
    family = "adaptive"
    source = "Kingma & Ba, arXiv:1412.6980; torch.optim.Adam"
    options = AdamHyperparameters

    def structure(self, h: Any) -> Hashable:
        return (h.beta1, h.beta2)  # numbers, never columns: see _correction

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {"m": torch.zeros_like(w), "v": torch.zeros_like(w)}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        adam_step_(w, add_weight_decay(g, w, h.weight_decay), state, h, t)


class AdamW(Adam):
    """Adam with decoupled weight decay: w ← (1 − η·λ)·w before the step."""

    name = "adamw"
    summary = "Adam with decoupled weight decay"
    source = "Loshchilov & Hutter, arXiv:1711.05101; torch.optim.AdamW"
    options = AdamWHyperparameters

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        w.mul_(1 - h.lr * h.weight_decay)
        adam_step_(w, g, state, h, t)
