"""Stochastic weight averaging."""

from typing import Any

from pydantic import Field
from torch import Tensor

from thalweg.optim.averaging.average import Average
from thalweg.validation import Options


class SWAOptions(Options):
    """``after_epoch``: the iterate at the end of the next epoch is the first that is averaged."""

    after_epoch: int = Field(default=0, ge=0)


class SWA(Average):
    """Stochastic weight averaging: the mean of the iterates at the ends of the epochs after s.

    Until the first of them a run is judged at its iterate. The learning rate is the schedule's
    matter; the paper's is constant or cyclical.
    """

    name = "swa"
    summary = "the mean of the iterates at the ends of epochs"
    source = "Izmailov et al., arXiv:1803.05407"
    options = SWAOptions

    def update(self, W: Tensor, mean: Tensor, h: Any, step: int, steps_per_epoch: int) -> None:
        epoch, within = divmod(step, steps_per_epoch)
        averaged = epoch - h.after_epoch
        if averaged <= 0:
            mean.copy_(W)
        elif within == 0:
            mean.lerp_(W, 1 / averaged)
