"""The exponential moving average."""

from typing import Any

from pydantic import Field
from torch import Tensor

from thalweg.optim.averaging.average import Average
from thalweg.validation import Options


class EMAOptions(Options):
    """``decay`` is the factor γ of the average at each step."""

    decay: float = Field(default=0.999, ge=0, lt=1)


class EMA(Average):
    """Exponential moving average: mean ← γ·mean + (1 − γ)·w_t, and at first mean = w_1.

    It starts at the first iterate, so its weights sum to 1 and no correction is needed.
    """

    name = "ema"
    summary = "the exponential moving average of the iterates"
    source = "Morales-Brotons, Vogels & Hendrikx, arXiv:2411.18704"
    options = EMAOptions

    def update(self, W: Tensor, mean: Tensor, h: Any, step: int, steps_per_epoch: int) -> None:
        if step == 1:
            mean.copy_(W)
        else:
            mean.lerp_(W, 1 - h.decay)
