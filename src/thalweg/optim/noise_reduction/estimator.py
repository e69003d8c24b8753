"""What the noise-reduced methods share: a step along an estimate of the full gradient."""

from abc import abstractmethod
from typing import Any

from pydantic import Field
from torch import Tensor

from thalweg.cohort import Oracle
from thalweg.optim.rule import Hyperparameters, RowsWithState, add_scaled_, add_weight_decay


class EstimatorHyperparameters(Hyperparameters):
    """``weight_decay`` is the factor λ of the penalty λ/2·‖w‖²."""

    weight_decay: float = Field(default=0.0, ge=0)


class RowsWithEstimate(RowsWithState):
    """Base: w ← w − η·(v + λ·w), v being an estimate of the gradient over all examples.

    Attributes:
        seen: Examples drawn before this step; at the first step of an epoch a multiple of N.
    """

    seen = 0

    @abstractmethod
    def estimate(self, oracle: Oracle) -> Tensor:
        """Return v ``(K, D)``. ``cohort.G``, the current batch's gradient, may be overwritten."""

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W = self.cohort.W
        d = add_weight_decay(self.estimate(oracle), W, self.h.weight_decay)
        add_scaled_(W, d, -self.h.lr)
        self.seen += oracle.batch_size

    def gradient_at(self, weights: Tensor, oracle: Oracle) -> Tensor:
        """Write the current batch's gradient at other weights into ``cohort.G`` and return that."""
        W = self.cohort.W
        iterate = W.clone()
        W.copy_(weights)
        oracle.gradient()
        W.copy_(iterate)
        return self.cohort.G

    def row_state(self, row: int) -> Any:
        return {**super().row_state(row), "seen": self.seen}

    def load_row_state(self, row: int, state: Any) -> None:
        super().load_row_state(row, state)
        self.seen = state["seen"]
