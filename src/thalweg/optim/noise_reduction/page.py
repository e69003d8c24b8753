"""The probabilistic gradient estimator."""

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from pydantic import Field

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.optim.method import Method
from thalweg.optim.noise_reduction.anchored import RecursiveRows
from thalweg.optim.noise_reduction.estimator import EstimatorHyperparameters
from thalweg.randomness import generator


class PAGEHyperparameters(EstimatorHyperparameters):
    """``probability`` is the chance p of a full gradient at each step."""

    probability: float = Field(default=0.1, gt=0, le=1)


class PAGERows(RecursiveRows):
    def due(self, oracle: Oracle) -> bool:
        stream = generator(0, "page", self._step)
        chance: float = self.h.probability
        return self._step == 1 or torch.rand((), generator=stream).item() < chance


class PAGE(Method):
    """PAGE.

    At the first step, and with probability p at each later one, v = ∇f(w) over all N examples;
    else v ← g_B(w) − g_B(w_prev) + v with both gradients over the current batch B;
    w ← w − η·(v + λ·w). The paper takes p = B/(N + B).

    All seeds toss the same coin, so that a full pass is one for all rows of a cohort and a run
    costs the same whoever it trains with. ``train.clip_norm`` bounds each of the batch's gradients.
    """

    name = "page"
    summary = "PAGE: a recursive estimate, started anew at random"
    family = "noise reduction"
    source = "Li et al., arXiv:2008.10898"
    options = PAGEHyperparameters
    needs = frozenset({"closure", "full pass"})
    gradients = "2; with probability p 1 and a full pass"

    def structure(self, h: Any) -> Hashable:
        return (h.probability,)

    def bind(self, cohort: Cohort, hyperparameters: Sequence[PAGEHyperparameters]) -> RowOptimizer:
        return PAGERows(self.options, cohort, hyperparameters)
