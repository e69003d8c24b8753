"""Adam, and Adam with decoupled weight decay."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.fused import fused_adam_
from thalweg.optim.adaptive.moments import bias_correction, subtract_ratio_, update_moments_
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


def adam_step_(
    w: Tensor,
    g: Tensor,
    state: Mapping[str, Tensor],
    h: Any,
    t: Value,
    weight_decay: Value = 0.0,
    decoupled: bool = False,
) -> None:
    """One Adam update of ``w`` from the gradient ``g``, in place.

    g ← g + λ·w, or w ← (1 − η·λ)·w if decoupled;  m ← β₁·m + (1−β₁)·g;  v ← β₂·v + (1−β₂)·g²;
    u ← v, or the largest v so far where the state has a ``v_max``;
    w ← w − η/(1−β₁ᵗ) · m / (√u/√(1−β₂ᵗ) + ε).
    """
    if fused_adam_(w, g, state, h, t, weight_decay, decoupled):
        return
    if decoupled:
        w.mul_(1 - h.lr * weight_decay)
    else:
        g = add_weight_decay(g, w, weight_decay)
    update_moments_(g, state, h)
    second = state["v"]
    if "v_max" in state:
        second = torch.maximum(state["v_max"], second, out=state["v_max"])
    rate = h.lr / bias_correction(h.beta1, t, w)
    subtract_ratio_(w, state["m"], root_of_moment(second, h, t), rate)


def root_of_moment(v: Tensor, h: Any, t: Value) -> Tensor:
    """Return √v/√(1−β₂ᵗ) + ε."""
    return v.sqrt().div_(bias_correction(h.beta2, t, v) ** 0.5).add_(h.eps)


class Adam(Rule):
    """Adam; weight decay is added to the gradient (g + λ·w)."""

    name = "adam"
    summary = "Adam; weight decay as an L2 penalty"
    family = "adaptive"
    source = "Kingma & Ba, arXiv:1412.6980; torch.optim.Adam"
    options = AdamHyperparameters

    def structure(self, h: Any) -> Hashable:
        return (h.beta1, h.beta2)  # numbers, never columns: see bias_correction

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {"m": torch.zeros_like(w), "v": torch.zeros_like(w)}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        adam_step_(w, g, state, h, t, h.weight_decay)

    def stability(
        self, state: Mapping[str, Tensor], h: Any, t: Value
    ) -> tuple[Value, Tensor | None] | None:
        """2·(1 + β₁)/(η·(1 − β₁)) with P = (1 − β₁ᵗ)·(√v/√(1 − β₂ᵗ) + ε)."""
        second = state.get("v_max", state["v"])
        P = root_of_moment(second, h, t) * bias_correction(h.beta1, t, second)
        return 2 * (1 + h.beta1) / ((1 - h.beta1) * h.lr), P


class AdamW(Adam):
    """Adam with decoupled weight decay: w ← (1 − η·λ)·w before the step."""

    name = "adamw"
    summary = "Adam with decoupled weight decay"
    source = "Loshchilov & Hutter, arXiv:1711.05101; torch.optim.AdamW"
    options = AdamWHyperparameters

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        adam_step_(w, g, state, h, t, h.weight_decay, decoupled=True)
