"""AdaHessian: Adam with the Hessian's diagonal for the squared gradient."""

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.cohort.optimizer import Stability
from thalweg.optim.method import Method
from thalweg.optim.rule import Hyperparameters, RowsWithState
from thalweg.optim.second_order.hutchinson import hessian_diagonal


class AdaHessianHyperparameters(Hyperparameters):
    """``hessian_power`` is the exponent k; a new estimate is made every ``update_every`` steps."""

    lr: float = Field(default=0.15, gt=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    eps: float = Field(default=1e-4, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    hessian_power: float = Field(default=1.0, gt=0, le=1)
    update_every: int = Field(default=1, ge=1)


class AdaHessian(Method):
    """AdaHessian.

    D = |z ∘ Hz| (`thalweg.optim.second_order.hutchinson`), averaged over height and width of each
    of a convolution's kernels; m ← β₁·m + (1−β₁)·g;  v ← β₂·v + (1−β₂)·D²;
    w ← w − η·(m/(1−β₁ᵗ) / ((√v/√(1−β₂ᵗ))ᵏ + ε) + λ·w).
    """

    name = "adahessian"
    summary = "Adam with Hutchinson's Hessian diagonal for the squared gradient"
    family = "second order"
    source = "Yao et al., arXiv:2006.00719; amirgholami/adahessian"
    options = AdaHessianHyperparameters
    needs = frozenset({"products", "shapes"})
    gradients = "1, and a Hessian product every update_every steps"

    def structure(self, h: Any) -> Hashable:
        return (h.beta1, h.beta2, h.update_every)

    def bind(
        self, cohort: Cohort, hyperparameters: Sequence[AdaHessianHyperparameters]
    ) -> "AdaHessianRows":
        return AdaHessianRows(cohort, hyperparameters)


class AdaHessianRows(RowsWithState):
    """AdaHessian on the rows of a cohort."""

    def __init__(
        self, cohort: Cohort, hyperparameters: Sequence[AdaHessianHyperparameters]
    ) -> None:
        super().__init__(AdaHessianHyperparameters, cohort, hyperparameters)
        self.state = {name: torch.zeros_like(cohort.W) for name in ("m", "v", "diagonal")}

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W, h, t = self.cohort.W, self.h, self._step
        m, v, diagonal = self.state.values()
        m.lerp_(self.cohort.G, 1 - h.beta1)
        if (t - 1) % h.update_every == 0:
            diagonal.copy_(hessian_diagonal(self.cohort, oracle, t).abs_())
            self._average_over_kernels(diagonal)
        v.mul_(h.beta2).addcmul_(diagonal, diagonal, value=1 - h.beta2)
        root = v.sqrt().div_((1 - h.beta2**t) ** 0.5)
        step = m / (1 - h.beta1**t) / root.pow_(h.hessian_power).add_(h.eps)
        W.sub_(step.add_(h.weight_decay * W).mul_(h.lr))

    def stability(self) -> Stability:
        """2·(1 + β₁)/(η·(1 − β₁)) with P = (1 − β₁ᵗ)·((√v/√(1−β₂ᵗ))ᵏ + ε)."""
        h, t = self.h, self._step
        root = self.state["v"].sqrt().div_((1 - h.beta2**t) ** 0.5)
        P = root.pow_(h.hessian_power).add_(h.eps).mul_(1 - h.beta1**t)
        return Stability(self.threshold(2 * (1 + h.beta1) / ((1 - h.beta1) * h.lr)), P)

    def _average_over_kernels(self, diagonal: Tensor) -> None:
        for view in self.cohort.layout.views(diagonal).values():
            if view.ndim == 5:
                view.copy_(view.mean((3, 4), keepdim=True).expand_as(view))
