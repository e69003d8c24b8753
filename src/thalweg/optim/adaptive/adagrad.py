"""Adagrad: steps over the root of the sum of all squared gradients."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.moments import in_precision_of, subtract_ratio_
from thalweg.optim.rule import Hyperparameters, Rule, Value, add_weight_decay


class AdagradHyperparameters(Hyperparameters):
    """``lr_decay`` is κ; ``initial_accumulator`` is where the sum starts."""

    lr: float = Field(default=1e-2, gt=0)
    lr_decay: float = Field(default=0.0, ge=0)
    initial_accumulator: float = Field(default=0.0, ge=0)
    eps: float = Field(default=1e-10, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)


class Adagrad(Rule):
    """Diagonal Adagrad; weight decay is added to the gradient.

    s ← s + g²;  w ← w − η/(1 + (t−1)·κ) · g/(√s + ε).
    """

    name = "adagrad"
    summary = "Adagrad: steps over the root of the summed squares"
    family = "adaptive"
    source = "Duchi, Hazan & Singer, JMLR 12, 2011; torch.optim.Adagrad"
    options = AdagradHyperparameters

    def structure(self, h: Any) -> Hashable:
        return (h.lr_decay, h.initial_accumulator)  # the initial state is one for all rows

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {"sum": torch.full_like(w, h.initial_accumulator)}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        g = add_weight_decay(g, w, h.weight_decay)
        total = state["sum"].addcmul_(g, g)
        rate = h.lr / in_precision_of(w, 1 + (t - 1) * h.lr_decay)
        subtract_ratio_(w, g, total.sqrt().add_(h.eps), rate)

    def stability(
        self, state: Mapping[str, Tensor], h: Any, t: Value
    ) -> tuple[Value, Tensor | None] | None:
        """2/η with P = (1 + (t−1)·κ)·(√s + ε)."""
        root = state["sum"].sqrt().add_(h.eps)
        return 2 / h.lr, root * in_precision_of(root, 1 + (t - 1) * h.lr_decay)
