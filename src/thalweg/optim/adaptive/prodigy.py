"""Prodigy: Adam that finds its learning rate from the distance it has come."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.adam import Adam, AdamHyperparameters
from thalweg.optim.adaptive.moments import update_moments_
from thalweg.optim.rule import Rule, Value, add_scaled_


class ProdigyHyperparameters(AdamHyperparameters):
    """``lr`` multiplies the rate that is found: leave it at 1, with a schedule or without.

    ``d0`` is the first estimate D of the distance to a solution, and ``d_coef`` a factor on those
    that follow. ``weight_decay`` is decoupled.
    """

    lr: float = Field(default=1.0, gt=0)
    d0: float = Field(default=1e-6, gt=0)
    d_coef: float = Field(default=1.0, gt=0)


class Prodigy(Adam):
    """Prodigy with Adam's steps; the decay rate of its sums is √β₂.

    a = D/D₀·D·η;  A ← √β₂·A + a·⟨g, w₀ − w⟩;  s ← √β₂·s + a·g;
    m ← β₁·m + (1−β₁)·D·g;  v ← β₂·v + (1−β₂)·D²·g²;
    w ← (1 − D·η·λ)·w − D·η·m/(√v + D'·ε)  with  D' = max(D, d_coef·A/‖s‖₁), the next step's D.

    D is one number for all weights of a run. As a ``torch.optim.Optimizer`` a rule sees one
    parameter at a time, so there each parameter finds a D of its own: not the published method
    unless the network is one parameter.
    """

    name = "prodigy"
    summary = "Adam that estimates its own learning rate"
    source = "Mishchenko & Defazio, arXiv:2306.06101; konstmish/prodigy"
    options = ProdigyHyperparameters
    stability = Rule.stability  # its steps are not those of Adam

    def structure(self, h: Any) -> Hashable:
        return (h.beta1, h.beta2, h.d0)  # the initial state is one for all rows

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        estimate = w.new_full((len(w), *[1] * (w.ndim - 1)), h.d0)  # a number a run
        return {
            **super().state(w, h),
            "s": torch.zeros_like(w),
            "start": w.clone(),
            "d": estimate,
            "numerator": torch.zeros_like(estimate),
        }

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        d, s, numerator = state["d"], state["s"], state["numerator"]
        rate = d * h.lr
        weight = d / h.d0 * rate
        decay = h.beta2**0.5
        numerator.mul_(decay).add_(weight * _sums(g * (state["start"] - w)))
        s.mul_(decay).addcmul_(g, weight)
        update_moments_(g * d, state, h)
        length = _sums(s.abs())
        # Without a gradient yet there is no estimate.
        found = torch.where(length > 0, h.d_coef * numerator / length, 0.0)
        torch.maximum(d, found, out=d)
        step = state["m"] / state["v"].sqrt().add_(d * h.eps)
        w.mul_(1 - rate * h.weight_decay)
        add_scaled_(w, step, -rate)


def _sums(x: Tensor) -> Tensor:
    """Return the sum of each run's numbers, shaped to broadcast against ``x``."""
    return x.reshape(len(x), -1).sum(1).view(-1, *[1] * (x.ndim - 1))
