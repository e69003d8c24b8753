"""What watches a training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from thalweg.cohort import Training

Values = Mapping[str, Tensor]
"""Figures of a look by name: one a run ``(K,)``, or several ``(K, n)``."""


def without_diverged(training: Training, W: Tensor, initial: Tensor) -> Tensor:
    """Return a copy of weights ``(K, D)`` in which runs that have diverged are where they began:
    what is not finite would spoil what is computed together. What is found of them is not reported.
    """
    W = W.clone()
    for row in training.oracle.frozen:
        W[row] = initial[row]
    return W


class Watcher(ABC):
    """Looks at the runs of a cohort while they train, and changes nothing of them.

    Attributes:
        prepares: It must see the step before a look too.
        gradients: What its looks have cost each run so far, in gradients of a minibatch; a product
            with a curvature matrix counts two, a loss a third.
    """

    def __init__(self) -> None:
        self.prepares = False
        self.gradients = 0.0

    def row_state(self, row: int) -> dict[str, Any]:
        """Return what it needs of one run to go on from here, as a tree."""
        return {}

    def load_row_state(self, row: int, state: dict[str, Any]) -> None:
        """Take up what `row_state` returned."""
        return

    @abstractmethod
    def before(self, training: Training, due: bool) -> None:
        """Look before a step: ``training.oracle`` has its batch, ``cohort.G`` the gradient."""

    @abstractmethod
    def after(self, training: Training, due: bool) -> Values:
        """Look after the step and, where a look is due, return its figures."""
