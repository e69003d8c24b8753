"""Stochastic gradient descent with momentum."""

from collections.abc import Hashable, Mapping
from typing import Any, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from thalweg.optim.rule import Hyperparameters, Rule, Value, add_scaled_, add_weight_decay


class SGDHyperparameters(Hyperparameters):
    """``weight_decay`` is the factor λ of the penalty λ/2·‖w‖²."""

    momentum: float = Field(default=0.0, ge=0)
    dampening: float = Field(default=0.0, ge=0, le=1)
    nesterov: bool = False
    weight_decay: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("nesterov = true needs momentum above 0 and dampening = 0")
        return self


def momentum_direction(d: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> Tensor:
    """Accumulate ``d`` into the momentum buffer and return the step direction.

    buf ← μ·buf + (1 − dampening)·d, except that the first step sets buf = d; the direction is
    d + μ·buf with Nesterov, else buf.
    """
    buffer = state["momentum"]
    if isinstance(t, Tensor):
        share: Value = torch.where(t == 1, torch.ones_like(t), 1 - h.dampening)
    else:
        share = 1.0 if t == 1 else 1 - h.dampening
    accumulate_(buffer, d, h.momentum, share)
    return nesterov_direction(d, buffer, h.momentum) if h.nesterov else buffer


def accumulate_(buffer: Tensor, d: Tensor, momentum: Value, share: Value = 1.0) -> None:
    """Set the buffer to μ·buf + share·d, in place."""
    add_scaled_(buffer.mul_(momentum), d, share)


def nesterov_direction(d: Tensor, buffer: Tensor, momentum: Value) -> Tensor:
    """Return d + μ·buf."""
    return add_weight_decay(d, buffer, momentum)


class SGD(Rule):
    """SGD as ``torch.optim.SGD`` defines it.

    d = g + λ·w; with momentum μ > 0 see `momentum_direction`; w ← w − η·d.
    """

    name = "sgd"
    summary = "stochastic gradient descent: momentum, dampening, Nesterov, weight decay"
    family = "plain"
    source = "torch.optim.SGD; Sutskever et al., ICML 2013"
    options = SGDHyperparameters

    def structure(self, h: Any) -> Hashable:
        return (h.nesterov, h.momentum > 0)

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {"momentum": torch.zeros_like(w)} if h.momentum > 0 else {}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        d = add_weight_decay(g, w, h.weight_decay)
        if state:
            d = momentum_direction(d, state, h, t)
        add_scaled_(w, d, -h.lr)

    def stability(
        self, state: Mapping[str, Tensor], h: Any, t: Value
    ) -> tuple[Value, Tensor | None] | None:
        """2·(1 + μ)/(η·(1 − dampening)), over 1 + 2·μ with Nesterov."""
        threshold = 2 * (1 + h.momentum) / (h.lr * (1 - h.dampening))
        return threshold / (1 + 2 * h.momentum) if h.nesterov else threshold, None
