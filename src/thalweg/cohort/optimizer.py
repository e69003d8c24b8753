"""What the training loop asks of an optimizer that acts on a cohort's rows."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch import Tensor

Closure = Callable[[], Tensor]
"""Recompute the gradient of the current batch at the current weights into ``cohort.G`` (masked
and clipped as in the step) and return the losses ``(K,)``."""


class RowOptimizer(ABC):
    """An optimizer bound to the rows of one cohort."""

    @abstractmethod
    def step(self, lr_scale: float | Tensor, closure: Closure) -> int:
        """Update ``cohort.W`` in place from ``cohort.G``.

        Args:
            lr_scale: The schedule's factor on the learning rate, a number or a column ``(K, 1)``.
            closure: For optimizers that evaluate the gradient again within a step.

        Returns:
            How many times the closure was called.
        """

    @abstractmethod
    def row_state(self, row: int) -> Any:
        """Return one run's state as a tree of dicts, lists, tensors and plain numbers."""

    @abstractmethod
    def load_row_state(self, row: int, state: Any) -> None:
        """Take up the state that `row_state` returned."""
