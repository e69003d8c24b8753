"""The mean of all iterates."""

from typing import Any

from torch import Tensor

from thalweg.optim.averaging.average import Average


class Polyak(Average):
    """Polyak–Ruppert averaging: mean ← mean + (w_t − mean)/t, the mean of w_1, …, w_t."""

    name = "polyak"
    summary = "the mean of all iterates"
    source = "Polyak & Juditsky, SIAM J. Control Optim. 30, 1992"

    def update(self, W: Tensor, mean: Tensor, h: Any, step: int, steps_per_epoch: int) -> None:
        mean.lerp_(W, 1 / step)
