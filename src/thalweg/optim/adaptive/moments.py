"""What Adam and its relatives share: two moments of the gradient, and the step they give."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from thalweg.optim.rule import Value


def update_moments_(g: Tensor, state: Mapping[str, Tensor], h: Any) -> None:
    """Average the gradient and its square, in place; the decay rates are numbers.

    m ← β₁·m + (1−β₁)·g;  v ← β₂·v + (1−β₂)·g².
    """
    state["m"].lerp_(g, 1 - h.beta1)
    state["v"].mul_(h.beta2).addcmul_(g, g, value=1 - h.beta2)


def bias_correction(beta: float, t: Value, like: Tensor) -> Value:
    """Return 1 − βᵗ, computed in double precision: with β = 0.999 and t = 1 single precision would
    lose four digits.
    """
    correction = 1 - beta**t
    return in_precision_of(like, correction)


def in_precision_of(like: Tensor, value: Value) -> Value:
    """Return what was computed from the step's number in the precision of ``like``, in a shape
    that broadcasts against any; a number as it is.
    """
    return value.to(like.dtype).squeeze(1) if isinstance(value, Tensor) else value


def subtract_ratio_(w: Tensor, above: Tensor, below: Tensor, rate: Value) -> None:
    """Subtract rate · above / below from ``w``, in place."""
    if isinstance(rate, Tensor):
        w.sub_((above / below).mul_(rate))
    else:
        w.addcdiv_(above, below, value=-rate)
