"""The stochastic Polyak step size."""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.optim.method import Method
from thalweg.optim.rule import Hyperparameters, RowsWithState


class SPSHyperparameters(Hyperparameters):
    """Those of the step size (f − f*) / (c·‖∇f‖²).

    Attributes:
        lr: Step size before the first step.
        c: Factor in the divisor of the step size.
        gamma: Factor by which an epoch may raise the step size.
        f_star: Least loss f* that a batch can have.
    """

    lr: float = Field(default=1.0, gt=0)
    c: float = Field(default=0.5, gt=0)
    gamma: float = Field(default=2.0, ge=1)
    f_star: float = 0.0


class SPS(Method):
    """SGD with the stochastic Polyak step size SPS_max, its bound smoothed.

    η_t = min((L(w) − f*) / (c·‖g‖²), γ^(b/n)·η_{t−1});  w ← w − η_t·g,

    L and g being of the current batch, b its size and n the number of examples. A loss below f*
    counts as f*, and a step of zero is not remembered as η_{t−1}: it would be the last. A schedule
    multiplies the step, not η.
    """

    name = "sps"
    summary = "SGD with the stochastic Polyak step size"
    family = "step size"
    source = "Loizou et al., arXiv:2002.10542; IssamLaradji/sps"
    options = SPSHyperparameters
    needs = frozenset({"loss"})

    def bind(self, cohort: Cohort, hyperparameters: Sequence[SPSHyperparameters]) -> RowOptimizer:
        return SPSRows(cohort, hyperparameters)


class SPSRows(RowsWithState):
    """SPS bound to the rows of a cohort; its state is the last step size, ``(K, 1)``."""

    def __init__(self, cohort: Cohort, hyperparameters: Sequence[SPSHyperparameters]) -> None:
        super().__init__(SPS.options, cohort, hyperparameters)
        self.state = {"step_size": torch.ones_like(cohort.W[:, :1]) * self.h.lr}

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W, G, h, step_size = self.cohort.W, self.cohort.G, self.h, self.state["step_size"]
        growth = h.gamma ** (oracle.batch_size / oracle.examples)
        gap = (oracle.losses.unsqueeze(1) - h.f_star).clamp_min(0)
        squared = G.square().sum(1, keepdim=True)
        # Where the gradient is zero any finite step will do.
        polyak = torch.where(squared > 0, gap / (h.c * squared), 0.0)
        eta = torch.minimum(polyak, step_size * growth)
        step_size.copy_(torch.where(eta > 0, eta, step_size))
        W.sub_(G * (eta * lr_scale))
