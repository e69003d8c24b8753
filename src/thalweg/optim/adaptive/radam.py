"""RAdam: Adam with a warm-up derived from the variance of its step size."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from thalweg.optim.adaptive.adam import Adam
from thalweg.optim.adaptive.moments import (
    bias_correction,
    in_precision_of,
    subtract_ratio_,
    update_moments_,
)
from thalweg.optim.rule import Rule, Value, add_scaled_, add_weight_decay


class RAdam(Adam):
    """Rectified Adam; weight decay is added to the gradient.

    ρ∞ = 2/(1−β₂) − 1;  ρ = ρ∞ − 2·t·β₂ᵗ/(1−β₂ᵗ);  m and v as in `adam`;  m̂ = m/(1−β₁ᵗ).
    Where ρ > 5, with r = √((ρ−4)(ρ−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρ)):
    w ← w − η·r·m̂·√(1−β₂ᵗ)/(√v + ε);  before that w ← w − η·m̂.
    """

    name = "radam"
    summary = "Adam, rectified while its second moment is uncertain"
    source = "Liu et al., arXiv:1908.03265; torch.optim.RAdam"
    stability = Rule.stability  # its steps are not those of Adam

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        update_moments_(add_weight_decay(g, w, h.weight_decay), state, h)
        rate = h.lr / bias_correction(h.beta1, t, w)
        rectification = in_precision_of(w, _rectification(h.beta2, t))
        root = bias_correction(h.beta2, t, w) ** 0.5
        below = state["v"].sqrt().add_(h.eps)
        if isinstance(rectification, Tensor):
            scale = torch.where(rectification > 0, rectification * root / below, 1.0)
            w.sub_(scale.mul_(state["m"]).mul_(rate))
        elif rectification > 0:
            subtract_ratio_(w, state["m"], below, rate * rectification * root)
        else:
            add_scaled_(w, state["m"], -rate)


def _rectification(beta2: float, t: Value) -> Value:
    """Return r, or 0 where ρ is at most 5."""
    end = 2 / (1 - beta2) - 1
    rho = end - 2 * t * beta2**t / (1 - beta2**t)
    if isinstance(rho, Tensor):
        square = (rho - 4) * (rho - 2) * end / ((end - 4) * (end - 2) * rho)
        return torch.where(rho > 5, square.sqrt(), 0.0)
    if rho <= 5:
        return 0.0
    root: float = ((rho - 4) * (rho - 2) * end / ((end - 4) * (end - 2) * rho)) ** 0.5
    return root
