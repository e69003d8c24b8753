"""Training without learning rates through coin betting."""

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.rule import Hyperparameters, Rule, Value

LEAST_SCALE = 1e-8
"""The gradient's scale L before any gradient was seen, as in the authors' code."""


class COCOBHyperparameters(Hyperparameters):
    """``lr`` multiplies each step and is 1 in the paper; ``alpha`` bounds the first bets."""

    lr: float = Field(default=1.0, gt=0)
    alpha: float = Field(default=100.0, gt=0)


class COCOB(Rule):
    """COCOB-Backprop: each weight bets on the sign of its next gradient.

    For each weight, u being its bet (0 at first) and g its gradient:
    L ← max(L, |g|);  S ← S + |g|;  R ← max(R − u·g, 0);  θ ← θ − g;
    u' = θ / (L·max(S + L, α·L)) · (R + L);  w ← w + η·(u' − u);  u ← u'.

    With η = 1 a weight is its start plus its bet, w = w₁ + u.
    """

    name = "coin"
    summary = "COCOB-Backprop: coin betting, without a learning rate to tune"
    family = "step size"
    source = "Orabona & Tommasi, arXiv:1705.07795, algorithm 2; bremen79/cocob"
    options = COCOBHyperparameters

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        names = ("scale", "gradients", "reward", "theta", "bet")
        return {name: torch.zeros_like(w) for name in names}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        size, bet = g.abs(), state["bet"]
        state["scale"].copy_(torch.maximum(state["scale"], size))
        state["gradients"].add_(size)
        state["reward"].addcmul_(bet, g, value=-1).clamp_min_(0)
        state["theta"].sub_(g)
        L = state["scale"].clamp_min(LEAST_SCALE)
        denominator = L * torch.maximum(state["gradients"] + L, h.alpha * L)
        new = state["theta"] / denominator * (state["reward"] + L)
        w.add_((new - bet) * h.lr)
        bet.copy_(new)
