"""Proximal gradient descent with an L1 penalty."""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort
from thalweg.sparsity.options import ParameterOptions
from thalweg.sparsity.sparsifier import Setting, Sparsifier


class ProximalL1Options(ParameterOptions):
    """``strength`` is λ of the penalty λ·‖w‖₁ on the chosen weights."""

    strength: float = Field(gt=0)


class ProximalL1(Sparsifier):
    """After every step w ← sign(w)·max(|w| − η·λ, 0), the proximal operator of the penalty η·λ·‖w‖₁
    (soft thresholding), η being the step's learning rate. How many weights are 0 follows from λ.
    """

    name = "proximal_l1"
    summary = "soft thresholding after every step (L1 penalty); its strength decides the number"
    source = "Parikh & Boyd, Proximal Algorithms, 2014, section 6.5.2"
    options = ProximalL1Options

    def __init__(self, setting: Setting, options: Sequence[ProximalL1Options]) -> None:
        super().__init__(setting, options)
        self._strength = torch.zeros_like(setting.cohort.W)
        for row, scope, each in zip(self._strength, self.scopes, options, strict=True):
            row[scope] = each.strength

    def after_step(self, cohort: Cohort, step: int, lr: float | Tensor) -> None:
        W = cohort.W
        W.copy_(W.sign() * (W.abs() - lr * self._strength).clamp_(min=0))
