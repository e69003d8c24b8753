"""Adan: Adam with Nesterov's momentum from differences of gradients."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.moments import bias_correction, subtract_ratio_
from thalweg.optim.rule import Hyperparameters, Rule, Value


class AdanHyperparameters(Hyperparameters):
    """Decay rates are 1 minus the paper's β, as in its code.

    Attributes:
        beta1: Decay rate of the mean of the gradients.
        beta2: Decay rate of the mean difference between gradients.
        beta3: Decay rate of the mean of their squares.
    """

    lr: float = Field(default=1e-3, gt=0)
    beta1: float = Field(default=0.98, ge=0, lt=1)
    beta2: float = Field(default=0.92, ge=0, lt=1)
    beta3: float = Field(default=0.99, ge=0, lt=1)
    eps: float = Field(default=1e-8, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)


class Adan(Rule):
    """Adaptive Nesterov momentum, with weight decay as a proximal step.

    δ = gₜ − gₜ₋₁, at first 0;  m ← β₁·m + (1−β₁)·g;  d ← β₂·d + (1−β₂)·δ;
    n ← β₃·n + (1−β₃)·(g + β₂·δ)²;
    w ← (w − η·(m/(1−β₁ᵗ) + β₂·d/(1−β₂ᵗ)) / (√n/√(1−β₃ᵗ) + ε)) / (1 + η·λ).
    """

    name = "adan"
    summary = "Adam with Nesterov momentum from gradient differences"
    family = "adaptive"
    source = "Xie et al., arXiv:2208.06677; sail-sg/Adan"
    options = AdanHyperparameters

    def structure(self, h: Any) -> Hashable:
        return (h.beta1, h.beta2, h.beta3)  # numbers, never columns: see bias_correction

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {name: torch.zeros_like(w) for name in ("m", "d", "n", "previous")}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        m, d, n = state["m"], state["d"], state["n"]
        difference = (g - state["previous"]).mul_(t > 1)
        state["previous"].copy_(g)
        m.lerp_(g, 1 - h.beta1)
        d.lerp_(difference, 1 - h.beta2)
        ahead = g.add(difference, alpha=h.beta2)
        n.mul_(h.beta3).addcmul_(ahead, ahead, value=1 - h.beta3)
        above = m / bias_correction(h.beta1, t, w)
        above.add_(d * (h.beta2 / bias_correction(h.beta2, t, w)))
        below = n.sqrt().div_(bias_correction(h.beta3, t, w) ** 0.5).add_(h.eps)
        subtract_ratio_(w, above, below, h.lr)
        w.div_(1 + h.lr * h.weight_decay)
