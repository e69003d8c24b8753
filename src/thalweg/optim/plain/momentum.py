"""Momentum by name: Polyak's heavy ball, and Nesterov's."""

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.plain.sgd import accumulate_, nesterov_direction
from thalweg.optim.rule import Hyperparameters, Rule, Value, add_scaled_, add_weight_decay


class MomentumHyperparameters(Hyperparameters):
    """``weight_decay`` is the factor λ of the penalty λ/2·‖w‖²."""

    momentum: float = Field(default=0.9, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)


class Momentum(Rule):
    """The heavy ball: `sgd` with momentum and neither dampening nor Nesterov.

    d = g + λ·w;  buf ← μ·buf + d, from buf = 0;  w ← w − η·buf.
    """

    name = "momentum"
    summary = "heavy-ball momentum"
    family = "plain"
    source = "Polyak, USSR Comput. Math. Math. Phys. 4(5), 1964; torch.optim.SGD"
    options = MomentumHyperparameters

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {"momentum": torch.zeros_like(w)}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        accumulate_(state["momentum"], add_weight_decay(g, w, h.weight_decay), h.momentum)
        add_scaled_(w, state["momentum"], -h.lr)

    def stability(
        self, state: Mapping[str, Tensor], h: Any, t: Value
    ) -> tuple[Value, Tensor | None] | None:
        """2·(1 + μ)/η."""
        return 2 * (1 + h.momentum) / h.lr, None


class Nesterov(Momentum):
    """Nesterov's momentum, as `sgd` has it with ``nesterov = true``.

    d = g + λ·w;  buf ← μ·buf + d, from buf = 0;  w ← w − η·(d + μ·buf).
    """

    name = "nesterov"
    summary = "Nesterov momentum"
    source = "Nesterov, Soviet Math. Dokl. 27, 1983; Sutskever et al., ICML 2013; torch.optim.SGD"

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        d = add_weight_decay(g, w, h.weight_decay)
        accumulate_(state["momentum"], d, h.momentum)
        add_scaled_(w, nesterov_direction(d, state["momentum"], h.momentum), -h.lr)

    def stability(
        self, state: Mapping[str, Tensor], h: Any, t: Value
    ) -> tuple[Value, Tensor | None] | None:
        """2·(1 + μ)/(η·(1 + 2·μ))."""
        return 2 * (1 + h.momentum) / (h.lr * (1 + 2 * h.momentum)), None
