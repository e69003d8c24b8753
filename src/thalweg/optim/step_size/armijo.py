"""A stochastic line search."""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.optim.method import Method
from thalweg.optim.rule import Hyperparameters, RowsWithState

TRIALS = 100
FALLBACK = 1e-6
"""The step size where no trial was accepted, as in the authors' code."""


class ArmijoHyperparameters(Hyperparameters):
    """``lr`` is the step size before the first step; a search starts from the last step size
    times ``gamma`` to the power b/n, and multiplies what it rejects by ``beta``.
    """

    lr: float = Field(default=1.0, gt=0)
    c: float = Field(default=0.1, gt=0, lt=1)
    beta: float = Field(default=0.9, gt=0, lt=1)
    gamma: float = Field(default=2.0, ge=1)


class Armijo(Method):
    """SGD with an Armijo backtracking line search on the current batch (SLS).

    η ← γ^(b/n)·η, then η ← β·η until L(w − η·g) ≤ L(w) − c·η·‖g‖², L and g being of the batch, b
    its size and n the number of examples; w ← w − η·g. After 100 trials η = 10⁻⁶ is taken.

    A schedule multiplies every step that is tried.
    """

    name = "armijo"
    summary = "SGD with a stochastic Armijo line search"
    family = "step size"
    source = "Vaswani et al., arXiv:1905.09997; IssamLaradji/sls"
    options = ArmijoHyperparameters
    needs = frozenset({"loss"})
    gradients = "1, and a loss a trial"

    def bind(
        self, cohort: Cohort, hyperparameters: Sequence[ArmijoHyperparameters]
    ) -> RowOptimizer:
        return ArmijoRows(cohort, hyperparameters)


class ArmijoRows(RowsWithState):
    """Armijo's search bound to the rows of a cohort; its state is the last step size, ``(K, 1)``.

    Rows that have accepted stay while the others go on.
    """

    def __init__(self, cohort: Cohort, hyperparameters: Sequence[ArmijoHyperparameters]) -> None:
        super().__init__(Armijo.options, cohort, hyperparameters)
        self.state = {"step_size": torch.ones_like(cohort.W[:, :1]) * self.h.lr}

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W, G, h, step_size = self.cohort.W, self.cohort.G, self.h, self.state["step_size"]
        iterate = W.clone()
        loss = oracle.losses.unsqueeze(1)
        squared = G.square().sum(1, keepdim=True)
        searching = squared > 0  # a run that has diverged has no gradient, and does not search
        growth = h.gamma ** (oracle.batch_size / oracle.examples)
        step_size.copy_(torch.where(searching, step_size * growth, step_size))
        for _ in range(TRIALS):
            eta = step_size * lr_scale
            torch.sub(iterate, G * eta, out=W)
            enough = oracle.loss(active=searching).unsqueeze(1) <= loss - h.c * eta * squared
            searching = searching & ~enough
            if not bool(searching.any()):
                return
            step_size.copy_(torch.where(searching, step_size * h.beta, step_size))
        step_size.masked_fill_(searching, FALLBACK)
        torch.sub(iterate, G * (step_size * lr_scale), out=W)
