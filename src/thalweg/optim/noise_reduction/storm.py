"""Stochastic recursive momentum."""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.optim.method import Method
from thalweg.optim.rule import Hyperparameters, RowsWithState, add_weight_decay


class STORMHyperparameters(Hyperparameters):
    """Those of the step size k / (w + Σ‖g‖²)^(1/3).

    Attributes:
        lr: The paper's k, the factor on every step.
        offset: The paper's w.
        c: Ties the momentum to the step size.
    """

    offset: float = Field(default=0.1, gt=0)
    c: float = Field(default=10.0, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)


class STORMRows(RowsWithState):
    """State: the iterate before and the estimate, ``(K, D)``; Σ‖g‖² and a, ``(K, 1)``."""

    def __init__(
        self,
        options: type[Hyperparameters],
        cohort: Cohort,
        hyperparameters: Sequence[Hyperparameters],
    ) -> None:
        super().__init__(options, cohort, hyperparameters)
        W = cohort.W
        self.state = {
            "previous": W.clone(),
            "estimate": torch.zeros_like(W),
            "sum": W.new_zeros(len(W), 1),
            "a": W.new_ones(len(W), 1),
        }

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W, G, h = self.cohort.W, self.cohort.G, self.h
        previous, d, a = self.state["previous"], self.state["estimate"], self.state["a"]
        g = G.clone()
        total = self.state["sum"].add_(g.square().sum(1, keepdim=True))
        if self._step > 1:
            iterate = W.clone()
            W.copy_(previous)
            oracle.gradient()
            W.copy_(iterate)
            d.sub_(G).mul_(1 - a)
        d.add_(g)
        previous.copy_(W)
        rate = h.lr / (h.offset + total).pow(1 / 3)
        W.sub_(add_weight_decay(d, W, h.weight_decay) * rate)
        a.copy_((h.c * rate.square()).clamp(max=1))


class STORM(Method):
    """STORM.

    d ← g_B(w) + (1 − a)·(d − g_B(w_prev)), both gradients over the current batch B, and at first
    d = g_B(w); w ← w − η·(d + λ·w) with η = k/(w₀ + Σ‖g_B(w)‖²)^(1/3), the sum over all steps so
    far; then a ← min(1, c·η²).

    No full gradient is needed. With a = 1 it is SGD with AdaGrad-like steps. The paper's constants
    keep a ≤ 1; here it is bounded, as c is free. ``train.clip_norm`` bounds each gradient.
    """

    name = "storm"
    summary = "STORM: momentum corrected by the gradient at the iterate before"
    family = "noise reduction"
    source = "Cutkosky & Orabona, arXiv:1905.10018"
    options = STORMHyperparameters
    needs = frozenset({"closure"})
    gradients = "2"

    def bind(self, cohort: Cohort, hyperparameters: Sequence[STORMHyperparameters]) -> RowOptimizer:
        return STORMRows(self.options, cohort, hyperparameters)
