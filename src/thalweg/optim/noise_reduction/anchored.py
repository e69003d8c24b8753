"""Methods that compute the gradient over all examples now and then."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.optim.noise_reduction.estimator import EstimatorHyperparameters, RowsWithEstimate
from thalweg.optim.rule import Hyperparameters


class AnchorHyperparameters(EstimatorHyperparameters):
    """``every`` is the number of steps m from one full gradient to the next; 0 for an epoch's."""

    every: int = Field(default=0, ge=0)


class RowsWithFullPasses(RowsWithEstimate):
    """Base: v is the full gradient where one is due, and elsewhere what `correct` makes of the
    current batch's gradient.

    State:
        point: Weights of the last gradient that `correct` refers to, ``(K, D)``.
        estimate: v there, ``(K, D)``.
    """

    def __init__(
        self,
        options: type[Hyperparameters],
        cohort: Cohort,
        hyperparameters: Sequence[Hyperparameters],
    ) -> None:
        super().__init__(options, cohort, hyperparameters)
        self.state = {
            "point": torch.zeros_like(cohort.W),
            "estimate": torch.zeros_like(cohort.W),
        }

    def due(self, oracle: Oracle) -> bool:
        """Return whether this step takes the full gradient."""
        every: int = self.h.every
        if every:
            return (self._step - 1) % every == 0
        return self.seen % oracle.examples == 0

    @abstractmethod
    def correct(self, oracle: Oracle) -> Tensor:
        """Return v from the current batch's gradient and the state."""

    def estimate(self, oracle: Oracle) -> Tensor:
        if not self.due(oracle):
            return self.correct(oracle)
        # At the anchor itself the batch's two gradients cancel: what is left is the full one.
        oracle.full_gradient()
        self.state["point"].copy_(self.cohort.W)
        self.state["estimate"].copy_(self.cohort.G)
        return self.state["estimate"]


class RecursiveRows(RowsWithFullPasses):
    """v ← g_B(w) − g_B(w_prev) + v: both gradients over the current batch B, w_prev being the
    iterate before. Of SARAH and PAGE, which differ in when the full gradient is taken.
    """

    def correct(self, oracle: Oracle) -> Tensor:
        previous, v = self.state["point"], self.state["estimate"]
        v.add_(self.cohort.G).sub_(self.gradient_at(previous, oracle))
        previous.copy_(self.cohort.W)
        return v
