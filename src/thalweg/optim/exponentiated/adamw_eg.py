"""AdamW in exponentiated form."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from thalweg.optim.adaptive.adam import AdamW, AdamWHyperparameters, root_of_moment
from thalweg.optim.adaptive.moments import bias_correction, update_moments_
from thalweg.optim.exponentiated.split import SplitHyperparameters, SplitRule
from thalweg.optim.rule import Value


class AdamWEGHyperparameters(AdamWHyperparameters, SplitHyperparameters):
    """Those of `AdamW` and of `SplitRule`."""


class AdamWEG(SplitRule, AdamW):
    """Multiplicative AdamW: it keeps every weight's sign and freezes exact zeros, as `sgd_eg` does,
    unless they are split (``split_bias = 0.1``, see `thalweg.optim.exponentiated.split`).

    m and v as in `adam`;  w ← (1 − η·λ)·w;
    w ← w · exp(−η/(1−β₁ᵗ) · sign(w) · m / (√v/√(1−β₂ᵗ) + ε)).
    """

    name = "adamw_eg"
    summary = "exponentiated AdamW: multiplicative, keeps signs, freezes exact zeros"
    family = "exponentiated"
    source = "Cornford et al., bioRxiv 2024.10.25.620272; linclab/EG_optimiser adamw_eg.py"
    options = AdamWEGHyperparameters

    def multiply(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        update_moments_(g, state, h)
        rate = h.lr / bias_correction(h.beta1, t, w)
        step = (state["m"] / root_of_moment(state["v"], h, t)).mul_(w.sign()).mul_(-rate)
        w.mul_(1 - h.lr * h.weight_decay).mul_(step.exp_())
