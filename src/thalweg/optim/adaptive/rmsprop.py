"""RMSprop: steps over a moving root mean square of the gradient."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.moments import subtract_ratio_
from thalweg.optim.rule import Hyperparameters, Rule, Value, add_scaled_, add_weight_decay


class RMSpropHyperparameters(Hyperparameters):
    """``alpha`` is the decay rate of the mean square; ``centered`` takes the variance instead."""

    lr: float = Field(default=1e-2, gt=0)
    alpha: float = Field(default=0.99, ge=0, lt=1)
    eps: float = Field(default=1e-8, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    momentum: float = Field(default=0.0, ge=0)
    centered: bool = False


class RMSprop(Rule):
    """RMSprop; weight decay is added to the gradient.

    v ← α·v + (1−α)·g²;  if centered ḡ ← α·ḡ + (1−α)·g, else ḡ = 0;  d = g/(√(v − ḡ²) + ε);
    with momentum μ > 0 d ← buf ← μ·buf + d;  w ← w − η·d.
    """

    name = "rmsprop"
    summary = "RMSprop: centred or not, with or without momentum"
    family = "adaptive"
    source = "Tieleman & Hinton, 2012; Graves, arXiv:1308.0850 (centred); torch.optim.RMSprop"
    options = RMSpropHyperparameters

    def structure(self, h: Any) -> Hashable:
        return (h.alpha, h.centered, h.momentum > 0)  # alpha: 1 − α loses digits as a column

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        wanted = {"v": True, "mean": h.centered, "momentum": h.momentum > 0}
        return {name: torch.zeros_like(w) for name, needed in wanted.items() if needed}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        g = add_weight_decay(g, w, h.weight_decay)
        v = state["v"].mul_(h.alpha).addcmul_(g, g, value=1 - h.alpha)
        if h.centered:
            mean = state["mean"].lerp_(g, 1 - h.alpha)
            below = v.addcmul(mean, mean, value=-1).sqrt_().add_(h.eps)
        else:
            below = v.sqrt().add_(h.eps)
        if "momentum" in state:
            buffer = state["momentum"].mul_(h.momentum).addcdiv_(g, below)
            add_scaled_(w, buffer, -h.lr)
        else:
            subtract_ratio_(w, g, below, h.lr)

    def stability(
        self, state: Mapping[str, Tensor], h: Any, t: Value
    ) -> tuple[Value, Tensor | None] | None:
        """2·(1 + μ)/η with P = √(v − ḡ²) + ε."""
        variance = state["v"]
        if h.centered:
            variance = variance.addcmul(state["mean"], state["mean"], value=-1)
        return 2 * (1 + h.momentum) / h.lr, variance.sqrt().add_(h.eps)
