"""LARS: momentum whose learning rate follows the size of each parameter."""

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.trust_ratio import run_norms, trust_ratio
from thalweg.optim.rule import Hyperparameters, Rule, Value, add_scaled_, add_weight_decay


class LARSHyperparameters(Hyperparameters):
    """``trust_coefficient`` is τ, how far a parameter may move relative to its size."""

    momentum: float = Field(default=0.9, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    trust_coefficient: float = Field(default=1e-3, gt=0)


class LARS(Rule):
    """Layerwise adaptive rate scaling.

    γ = τ·‖w‖/(‖g‖ + λ·‖w‖);  buf ← μ·buf + η·γ·(g + λ·w), from buf = 0;  w ← w − buf,
    with the norms of one parameter (a weight and its bias are two).

    The local rate γ is 1 where ‖w‖ or ‖g‖ is 0, as that of a bias that starts at 0. Biases and
    norm scales have a rate of their own like any other parameter; some codes exempt them.
    """

    name = "lars"
    summary = "momentum with a trust ratio for each parameter"
    family = "adaptive"
    source = "You, Gitman & Ginsburg, arXiv:1708.03888"
    options = LARSHyperparameters
    by_parameter = True

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {"momentum": torch.zeros_like(w)}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        weight, gradient = run_norms(w), run_norms(g)
        below = (gradient + h.weight_decay * weight) / h.trust_coefficient
        rate = h.lr * trust_ratio(weight, gradient, below)
        momentum = state["momentum"].mul_(h.momentum)
        add_scaled_(momentum, add_weight_decay(g, w, h.weight_decay), rate)
        w.sub_(momentum)
