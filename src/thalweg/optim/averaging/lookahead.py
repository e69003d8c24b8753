"""Lookahead: slow weights that follow the optimizer's fast ones."""

from typing import Any

from pydantic import Field
from torch import Tensor

from thalweg.optim.averaging.average import Average
from thalweg.validation import Options


class LookaheadOptions(Options):
    """``every`` is the paper's k, steps between synchronisations; ``alpha`` the slow step α."""

    every: int = Field(default=5, ge=1)
    alpha: float = Field(default=0.5, gt=0, le=1)


class Lookahead(Average):
    """Lookahead: every k steps φ ← φ + α·(w − φ), then w ← φ; φ starts at the initial weights.

    Alone among the averages it changes the iterates. A run is judged at the slow weights φ. The
    optimizer's own state is kept at a synchronisation, as the paper does by default.
    """

    name = "lookahead"
    summary = "slow weights, to which the iterate returns every few steps"
    source = "Zhang et al., arXiv:1907.08610"
    options = LookaheadOptions

    def update(self, W: Tensor, mean: Tensor, h: Any, step: int, steps_per_epoch: int) -> None:
        if step % h.every == 0:
            mean.lerp_(W, h.alpha)
            W.copy_(mean)
