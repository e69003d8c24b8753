"""Sophia-H: momentum over the Hessian's diagonal, clipped."""

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.optim.method import Method
from thalweg.optim.rule import Hyperparameters, RowsWithState
from thalweg.optim.second_order.hutchinson import hessian_diagonal


class SophiaHyperparameters(Hyperparameters):
    """``gamma`` scales the curvature; a new estimate is made every ``update_every`` steps."""

    lr: float = Field(default=1e-3, gt=0)
    beta1: float = Field(default=0.96, ge=0, lt=1)
    beta2: float = Field(default=0.99, ge=0, lt=1)
    gamma: float = Field(default=0.01, gt=0)
    eps: float = Field(default=1e-12, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    update_every: int = Field(default=10, ge=1)


class Sophia(Method):
    """Sophia-H.

    m ← β₁·m + (1−β₁)·g; every ``update_every`` steps h ← β₂·h + (1−β₂)·z∘Hz
    (`thalweg.optim.second_order.hutchinson`);
    w ← (1 − η·λ)·w;  w ← w − η · clip(m / max(γ·h, ε), −1, 1).

    Where the curvature is small or negative the step is that of sign momentum.
    """

    name = "sophia"
    summary = "Sophia-H: momentum over Hutchinson's Hessian diagonal, clipped to ±1"
    family = "second order"
    source = "Liu et al., arXiv:2305.14342, algorithm 3"
    options = SophiaHyperparameters
    needs = frozenset({"products"})
    gradients = "1, and a Hessian product every update_every steps"

    def structure(self, h: Any) -> Hashable:
        return (h.beta1, h.beta2, h.update_every)

    def bind(
        self, cohort: Cohort, hyperparameters: Sequence[SophiaHyperparameters]
    ) -> "SophiaRows":
        return SophiaRows(cohort, hyperparameters)


class SophiaRows(RowsWithState):
    """Sophia-H on the rows of a cohort."""

    def __init__(self, cohort: Cohort, hyperparameters: Sequence[SophiaHyperparameters]) -> None:
        super().__init__(SophiaHyperparameters, cohort, hyperparameters)
        self.state = {name: torch.zeros_like(cohort.W) for name in ("m", "h")}

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W, h = self.cohort.W, self.h
        m, curvature = self.state["m"], self.state["h"]
        m.lerp_(self.cohort.G, 1 - h.beta1)
        if (self._step - 1) % h.update_every == 0:
            curvature.lerp_(hessian_diagonal(self.cohort, oracle, self._step), 1 - h.beta2)
        W.mul_(1 - h.lr * h.weight_decay)
        step = m / (curvature * h.gamma).clamp_(min=h.eps)
        W.sub_(step.clamp_(-1, 1).mul_(h.lr))
