"""EG±: exponentiated gradient whose weights may change sign."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.rule import Hyperparameters, Rule, Value

TINY = 1e-7
"""Keeps a neuron without weights from dividing by 0, as in the public code."""


class EGPlusMinusHyperparameters(Hyperparameters):
    """``u_ratio`` is U / ‖w‖₁ of each neuron's weights at the start: the larger, the closer the
    updates are to additive ones.
    """

    u_ratio: float = Field(default=10.0, gt=1)


class EGPlusMinus(Rule):
    """EG±: every weight is w⁺ − w⁻, both positive, and a neuron's sum to a constant U.

    w^± ← w^± · exp(∓η·g);  w^± ← U · w^± / (Σ(w⁺ + w⁻) + 1e-7), the sum being over the weights into
    one output neuron;  w = w⁺ − w⁻.

    A neuron is what the first dimension of a parameter counts; a parameter of one dimension (a
    bias) is normalised as a whole, as one neuron. The network starts where its initialisation put
    it: w⁺ = max(w, 0) + c and w⁻ = max(−w, 0) + c, where c shares U = u_ratio·‖w‖₁ evenly among the
    n nonzero weights, c = (U − ‖w‖₁)/2n. The public code instead draws w⁺ and w⁻ anew, or halves
    U/n ± w, which can be negative; and it counts a neuron's bias among its weights.

    A weight that is exactly 0 at the start has no share of U: pruned weights stay 0 and take
    nothing from the others.
    """

    name = "eg_pm"
    summary = "EG±: multiplicative on positive and negative parts, normalised by neuron"
    family = "exponentiated"
    source = (
        "Kivinen & Warmuth, Inf. Comput. 132, 1997; KellerJordan/Exponentiated-Gradient-PyTorch"
    )
    options = EGPlusMinusHyperparameters
    by_parameter = True

    def freezes_zeros(self, h: Any) -> bool:
        return True

    def structure(self, h: Any) -> Hashable:
        return (h.u_ratio,)  # the initial state is one for all rows

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        length = _by_neuron(w).abs().sum(2, keepdim=True)
        present = w != 0
        count = _by_neuron(present).sum(2, keepdim=True).clamp_min(1)
        share = _by_neuron(present) * ((h.u_ratio - 1) / 2 * length / count)
        return {
            "plus": w.clamp_min(0) + share.view_as(w),
            "minus": (-w).clamp_min(0) + share.view_as(w),
            "U": h.u_ratio * length,
        }

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        plus, minus = state["plus"], state["minus"]
        exponent = g * h.lr
        plus.mul_((-exponent).exp_())
        minus.mul_(exponent.exp_())
        total = _by_neuron(plus + minus).sum(2, keepdim=True)
        scale = state["U"] / (total + TINY)
        for part in (plus, minus):
            _by_neuron(part).mul_(scale)
        torch.sub(plus, minus, out=w)


def _by_neuron(x: Tensor) -> Tensor:
    """View ``(K, *shape)`` as ``(K, neurons, weights into each)``."""
    return x.flatten(2) if x.ndim > 2 else x.view(len(x), 1, -1)
