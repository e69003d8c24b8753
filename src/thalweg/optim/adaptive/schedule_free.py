"""Schedule-free learning: an average of the iterates in the place of a falling step size."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.moments import bias_correction
from thalweg.optim.rule import Hyperparameters, Rule, Value, add_scaled_


class ScheduleFreeHyperparameters(Hyperparameters):
    """``beta`` is the share of the average x in the point y where gradients are taken."""

    beta: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)


class ScheduleFreeAdamWHyperparameters(Hyperparameters):
    """``beta1`` is the share of x in y, ``beta2`` the decay rate of the second moment."""

    lr: float = Field(default=2.5e-3, gt=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    eps: float = Field(default=1e-8, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)


def schedule_free_step_(
    y: Tensor, direction: Tensor, state: Mapping[str, Tensor], rate: Value, beta: Value
) -> None:
    """Move z along a direction, x towards z, and put ``y`` between them, in place.

    z ← z − γ·direction;  Γ ← Γ + γ²;  c = γ²/Γ;  x ← (1−c)·x + c·z;  y ← (1−β)·z + β·x.
    """
    x, z, total = state["x"], state["z"], state["total"]
    add_scaled_(z, direction, -1 * rate)
    total.add_(rate**2)
    x.lerp_(z, rate**2 / total)
    torch.sub(x, z, out=y)
    y.mul_(beta).add_(z)


def initial_state(w: Tensor) -> dict[str, Tensor]:
    """Return x and z at the weights, and Γ = 0, one number a run."""
    total = w.new_zeros(len(w), *[1] * (w.ndim - 1))
    return {"x": w.clone(), "z": w.clone(), "total": total}


class ScheduleFreeSGD(Rule):
    """Schedule-free SGD: d = g(y) + λ·y, then `schedule_free_step_` with γ = η.

    The weights that train are y; runs are judged at x, the mean of the z, each of which counts by
    its squared step. Meant for a constant step, if need be after a warm-up.
    """

    name = "schedule_free_sgd"
    summary = "SGD judged at an average of its iterates; needs no falling schedule"
    family = "adaptive"
    source = "Defazio et al., arXiv:2405.15682; facebookresearch/schedule_free"
    options = ScheduleFreeHyperparameters
    averages = True

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return initial_state(w)

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        schedule_free_step_(w, g + w * h.weight_decay, state, h.lr, h.beta)

    def evaluated(self, w: Tensor, state: Mapping[str, Tensor], h: Any) -> Tensor:
        return state["x"]


class ScheduleFreeAdamW(Rule):
    """Schedule-free AdamW, the paper's Algorithm 1.

    v ← β₂·v + (1−β₂)·g²;  d = g/(√v + ε) + λ·y;  then `schedule_free_step_` with
    γ = η·√(1−β₂ᵗ) and β = β₁. Warm-up is the schedule's.
    """

    name = "schedule_free_adamw"
    summary = "AdamW judged at an average of its iterates; needs no falling schedule"
    family = "adaptive"
    source = "Defazio et al., arXiv:2405.15682, Algorithm 1"
    options = ScheduleFreeAdamWHyperparameters
    averages = True

    def structure(self, h: Any) -> Hashable:
        return (h.beta2,)  # a number, never a column: see bias_correction

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {**initial_state(w), "v": torch.zeros_like(w)}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        v = state["v"].mul_(h.beta2).addcmul_(g, g, value=1 - h.beta2)
        direction = g / (v.sqrt() + h.eps) + w * h.weight_decay
        rate = h.lr * bias_correction(h.beta2, t, w) ** 0.5
        schedule_free_step_(w, direction, state, rate, h.beta1)

    def evaluated(self, w: Tensor, state: Mapping[str, Tensor], h: Any) -> Tensor:
        return state["x"]
