"""Exponentiated gradient: multiplicative updates that keep every weight's sign."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from thalweg.optim.exponentiated.split import SplitHyperparameters, SplitRule
from thalweg.optim.plain.sgd import SGD, SGDHyperparameters, momentum_direction
from thalweg.optim.rule import Value, add_weight_decay


class SGDEGHyperparameters(SGDHyperparameters, SplitHyperparameters):
    """Those of `SGD` and of `SplitRule`."""


class SGDEG(SplitRule, SGD):
    """SGD in exponentiated form.

    d = g + λ·sign(w); with momentum μ > 0 see `thalweg.optim.plain.sgd.momentum_direction`;
    w ← w · exp(−η · sign(w) · d).

    With μ = 0 weight decay is the factor exp(−η·λ). A weight that is exactly 0 never moves, so
    zero-initialised biases are frozen: start them elsewhere (``init.name = "lognormal"``), or split
    them (``split_bias = 0.1``, see `thalweg.optim.exponentiated.split`).
    """

    name = "sgd_eg"
    summary = "exponentiated SGD: multiplicative, keeps signs, freezes exact zeros"
    family = "exponentiated"
    source = "Cornford et al., bioRxiv 2024.10.25.620272; linclab/EG_optimiser sgd_eg.py"
    options = SGDEGHyperparameters

    def multiply(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        sign = w.sign()
        d = add_weight_decay(g, sign, h.weight_decay)
        if state:
            d = momentum_direction(d, state, h, t)
        w.mul_(torch.exp((sign * d).mul_(-h.lr)))
