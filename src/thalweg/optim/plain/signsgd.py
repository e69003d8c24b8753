"""Steps of one length in every weight: the sign of the gradient, or of its average."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.rule import Hyperparameters, Rule, Value, add_scaled_


class SignSGDHyperparameters(Hyperparameters):
    """``weight_decay`` is decoupled; ``momentum`` above 0 makes it Signum."""

    momentum: float = Field(default=0.0, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)


class SignSGD(Rule):
    """signSGD, and Signum with momentum β.

    m ← β·m + (1−β)·g, from m = 0;  w ← (1 − η·λ)·w − η·sign(m).
    """

    name = "signsgd"
    summary = "the gradient's sign; with momentum Signum"
    family = "plain"
    source = "Bernstein et al., arXiv:1802.04434; decoupled decay as in MXNet's Signum"
    options = SignSGDHyperparameters

    def structure(self, h: Any) -> Hashable:
        return (h.momentum > 0,)

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {"m": torch.zeros_like(w)} if h.momentum > 0 else {}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        m = state["m"].lerp_(g, 1 - h.momentum) if state else g
        w.mul_(1 - h.lr * h.weight_decay)
        add_scaled_(w, m.sign(), -h.lr)
