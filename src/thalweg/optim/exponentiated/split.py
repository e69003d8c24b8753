"""Weights of two parts, so that a multiplicative rule can move what starts at zero."""

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.rule import Hyperparameters, Rule, Value

MINUS = "minus."


class SplitHyperparameters(Hyperparameters):
    """``split_bias`` is the size ε at which the two parts of a weight that starts at 0 begin;
    without it such a weight never moves.
    """

    split_bias: float | None = Field(default=None, gt=0)


class SplitRule(Rule):
    """Base of multiplicative rules, whose `multiply` keeps signs and leaves exact zeros there.

    With ``split_bias`` ε > 0 a weight that starts at exactly 0, as biases do, is w = w⁺ + w⁻ with
    w⁺ = ε and w⁻ = −ε at the start. Each part is moved by the rule as a weight of its own, with
    ∂L/∂w⁺ = ∂L/∂w⁻ = ∂L/∂w; so w can have either sign. All other weights have no second part.

    Source: Cornford et al., bioRxiv 2024.10.25.620272.
    """

    stability = Rule.stability  # that of the additive rule means nothing here

    def freezes_zeros(self, h: Any) -> bool:
        return not h.split_bias

    def structure(self, h: Any) -> Hashable:
        return (super().structure(h), h.split_bias)  # the initial state is one for all rows

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        own = super().state(w, h)
        if not h.split_bias:
            return own
        size = torch.zeros_like(w).masked_fill_(w == 0, h.split_bias)
        second = {MINUS + name: tensor.clone() for name, tensor in own.items()}
        return {**own, **second, "plus": w + size, "minus": -size}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        if "minus" not in state:
            self.multiply(w, g, state, h, t)
            return
        plus, minus = state["plus"], state["minus"]
        second = {name.removeprefix(MINUS): x for name, x in state.items() if MINUS in name}
        first = {name: state[name] for name in second}
        # A weight of one part may have been moved by others since, by a projection for instance.
        torch.where(minus != 0, plus, w, out=plus)
        self.multiply(plus, g, first, h, t)
        self.multiply(minus, g, second, h, t)
        torch.add(plus, minus, out=w)

    @abstractmethod
    def multiply(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        """Do what `Rule.update` asks for; zeros stay as they are."""
