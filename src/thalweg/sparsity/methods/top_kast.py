"""Top-KAST: sparse forward and backward passes."""

from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.sparsity.options import SparsityOptions
from thalweg.sparsity.sparsifier import Setting, Sparsifier


class TopKastOptions(SparsityOptions):
    """Two sets of weights.

    Attributes:
        backward_keep: Fraction of the chosen weights that is trained, at least ``keep``.
        penalty: λ, how hard exploration is pressed.
    """

    backward_keep: float = Field(gt=0, le=1)
    penalty: float = Field(default=1e-4, ge=0)

    @model_validator(mode="after")
    def _nested(self) -> Self:
        if self.backward_keep < self.keep:
            raise ValueError(
                f"backward_keep = {self.backward_keep:g}: must be at least keep = {self.keep:g}"
            )
        return self


class TopKast(Sparsifier):
    """Networks are evaluated at the largest |w|, the set A of density D; the optimizer moves the
    larger set B by the gradient taken there, and all other weights stay what they are. Both sets
    are chosen anew at every step.

    The penalty λ/2·(‖w_A‖² + ‖w_{B∖A}‖²/D) presses B∖A harder, so that weights outside B, which do
    not shrink, come back. As decoupled weight decay it acts beside the gradient, w ← w − η·λ·w on A
    and w ← w − η·λ·w/D on B∖A, and so in the same way with every optimizer.
    """

    name = "top_kast"
    summary = "dense weights, evaluated at the largest, a larger set of them trained (Top-KAST)"
    source = "Jayakumar et al., Top-KAST, arXiv:2106.03517"
    options = TopKastOptions
    latent: ClassVar[bool] = True

    def __init__(self, setting: Setting, options: Sequence[TopKastOptions]) -> None:
        super().__init__(setting, options)
        self._trained = self.share_of(each.backward_keep for each in options)
        W = setting.cohort.W
        self._penalty = torch.zeros_like(W)
        for row, scope, each in zip(self._penalty, self.scopes, options, strict=True):
            row[scope] = each.penalty
        self._density = W.new_tensor([each.keep for each in options]).unsqueeze(1)
        self._before = W.clone()
        self._backward = torch.ones_like(W, dtype=torch.bool)

    def before_step(self, cohort: Cohort, oracle: Oracle, step: int) -> None:
        self._before.copy_(cohort.W)
        self._backward = self.largest(cohort.W, self._trained)
        cohort.G.mul_(self._backward)

    def after_step(self, cohort: Cohort, step: int, lr: float | Tensor) -> None:
        W, before, backward = cohort.W, self._before, self._backward
        forward = self.largest(before, self.counts)
        decay = torch.where(forward, self._penalty, self._penalty / self._density)
        W.copy_(torch.where(backward, W - lr * decay * before, before))

    def view(self, W: Tensor) -> Tensor:
        return W * self.largest(W, self.counts)
