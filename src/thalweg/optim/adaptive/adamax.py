"""Adamax: Adam in the infinity norm."""

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.adam import Adam, AdamHyperparameters
from thalweg.optim.adaptive.moments import bias_correction, subtract_ratio_
from thalweg.optim.rule import Rule, Value, add_weight_decay


class AdamaxHyperparameters(AdamHyperparameters):
    """``beta2`` is the decay rate of the norm."""

    lr: float = Field(default=2e-3, gt=0)


class Adamax(Adam):
    """Adam with a decaying maximum for the second moment; weight decay is added to the gradient.

    m ← β₁·m + (1−β₁)·g;  u ← max(β₂·u, |g| + ε);  w ← w − η/(1−β₁ᵗ) · m/u.
    """

    name = "adamax"
    summary = "Adam in the infinity norm"
    source = "Kingma & Ba, arXiv:1412.6980, section 7.1; torch.optim.Adamax"
    options = AdamaxHyperparameters
    stability = Rule.stability  # its steps are not those of Adam

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {"m": torch.zeros_like(w), "u": torch.zeros_like(w)}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        g = add_weight_decay(g, w, h.weight_decay)
        m, u = state["m"], state["u"]
        m.lerp_(g, 1 - h.beta1)
        torch.maximum(u.mul_(h.beta2), g.abs().add_(h.eps), out=u)
        subtract_ratio_(w, m, u, h.lr / bias_correction(h.beta1, t, w))
