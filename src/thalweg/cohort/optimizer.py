"""What the training loop asks of an optimizer that acts on a cohort's rows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from thalweg.cohort.oracle import Oracle


@dataclass(frozen=True)
class Stability:
    """Up to which curvature an optimizer's last step was stable: on a quadratic whose Hessian is H,
    while λ_max(P⁻¹·H) is below a threshold (Cohen et al., arXiv:2103.00065 and 2207.14484).

    Attributes:
        threshold: Of each run, ``(K,)``.
        preconditioner: P, a positive diagonal ``(K, D)``; None for the identity.
    """

    threshold: Tensor
    preconditioner: Tensor | None = None


class RowOptimizer(ABC):
    """An optimizer bound to the rows of one cohort."""

    @abstractmethod
    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        """Update ``cohort.W`` in place.

        ``cohort.G`` holds the gradient of the current batch and ``oracle.losses`` its losses. Rows
        must not depend on each other. Whatever ``W`` held in between, at the end it holds the
        iterate.

        Args:
            lr_scale: The schedule's factor on the learning rate, a number or a column ``(K, 1)``.
            oracle: For optimizers that need more than one gradient.
        """

    @abstractmethod
    def row_state(self, row: int) -> Any:
        """Return one run's state as a tree of dicts, lists, tensors and plain numbers."""

    @abstractmethod
    def load_row_state(self, row: int, state: Any) -> None:
        """Take up the state that `row_state` returned."""

    def renew(self, where: Tensor) -> None:
        """Start the state of some weights anew, as if they had never been moved.

        Called where a mask has pruned weights or let them grow. An optimizer whose state cannot be
        taken apart by weights leaves it as it is.

        Args:
            where: Which weights, boolean ``(K, D)``.
        """
        return

    def stability(self) -> Stability | None:
        """Return up to which curvature the last step was stable; None where that is not known."""
        return None

    def evaluated(self) -> Tensor | None:
        """Return the weights ``(K, D)`` at which the runs are judged; None for ``cohort.W``.

        Methods that average their iterates judge the average.
        """
        return None
