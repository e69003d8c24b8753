"""NAdam: Adam with Nesterov's momentum."""

from collections.abc import Hashable, Mapping
from typing import Any

from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.adam import Adam, AdamHyperparameters
from thalweg.optim.adaptive.moments import (
    bias_correction,
    in_precision_of,
    subtract_ratio_,
    update_moments_,
)
from thalweg.optim.rule import Rule, Value, add_weight_decay


class NAdamHyperparameters(AdamHyperparameters):
    """``momentum_decay`` is ψ, which warms the momentum up."""

    lr: float = Field(default=2e-3, gt=0)
    momentum_decay: float = Field(default=4e-3, ge=0)


class NAdam(Adam):
    """Adam with Nesterov's momentum, warmed up; weight decay is added to the gradient.

    μₜ = β₁·(1 − ½·0.96^(t·ψ));  M ← M·μₜ, from M = 1;  m and v as in `adam`;
    w ← w − η·(μₜ₊₁/(1 − M·μₜ₊₁)·m + (1−μₜ)/(1−M)·g) / (√(v/(1−β₂ᵗ)) + ε).
    """

    name = "nadam"
    summary = "Adam with Nesterov momentum"
    source = "Dozat, ICLR 2016 workshop; torch.optim.NAdam"
    options = NAdamHyperparameters
    stability = Rule.stability  # its steps are not those of Adam

    def structure(self, h: Any) -> Hashable:
        return (h.beta1, h.beta2, h.momentum_decay)  # numbers, never columns: see bias_correction

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        product = w.new_ones(len(w), *[1] * (w.ndim - 1))  # a number a run
        return {**super().state(w, h), "mu_product": product}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        g = add_weight_decay(g, w, h.weight_decay)
        update_moments_(g, state, h)
        mu, following = (in_precision_of(w, _momentum(h, step)) for step in (t, t + 1))
        product = state["mu_product"].mul_(mu)
        below = (state["v"] / bias_correction(h.beta2, t, w)).sqrt_().add_(h.eps)
        above = (state["m"] * (following / (1 - product * following))).add_(
            g * ((1 - mu) / (1 - product))
        )
        subtract_ratio_(w, above, below, h.lr)


def _momentum(h: Any, t: Value) -> Value:
    """Return μₜ."""
    momentum: Value = h.beta1 * (1 - 0.5 * 0.96 ** (t * h.momentum_decay))
    return momentum
