"""Momentum SGD along a gradient that was also taken at the top of a short climb."""

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.optim.method import Method
from thalweg.optim.plain.sgd import SGD, SGDHyperparameters
from thalweg.optim.rule import RowsWithState

BASE = SGD()
TINY = 1e-12
"""Added to norms, so that a run whose gradient is zero stays where it is."""


class AscentHyperparameters(SGDHyperparameters):
    """``rho`` is the length ρ of the climb; the others are those of `SGD`."""

    rho: float = Field(default=0.05, ge=0)


class AscentMethod(Method):
    """Base: climb from w to w + ε, take the gradient there, come back, and step by SGD.

    Both gradients are of the current batch. Weight decay, as momentum, acts in the SGD step alone.
    """

    family = "flatness"
    options: ClassVar[type[AscentHyperparameters]] = AscentHyperparameters
    needs = frozenset({"closure"})
    gradients = "2"

    def structure(self, h: Any) -> Hashable:
        return BASE.structure(h)

    def bind(
        self, cohort: Cohort, hyperparameters: Sequence[AscentHyperparameters]
    ) -> RowOptimizer:
        return AscentRows(self, cohort, hyperparameters)

    @abstractmethod
    def ascent(self, w: Tensor, g: Tensor, h: Any) -> Tensor:
        """Return the climb ε ``(K, D)`` from the weights and their gradient."""

    def direction(self, g: Tensor, climbed: Tensor, h: Any) -> Tensor:
        """Return the direction that SGD takes for a gradient ``(K, D)``.

        Args:
            g: Gradient at w.
            climbed: Gradient at w + ε.
            h: Hyperparameters by name.
        """
        return climbed


class AscentRows(RowsWithState):
    """An `AscentMethod` bound to the rows of a cohort; its state is SGD's momentum."""

    def __init__(
        self,
        method: AscentMethod,
        cohort: Cohort,
        hyperparameters: Sequence[AscentHyperparameters],
    ) -> None:
        super().__init__(method.options, cohort, hyperparameters)
        self._method = method
        self.state = BASE.state(cohort.W, hyperparameters[0])

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W, G = self.cohort.W, self.cohort.G
        iterate, g = W.clone(), G.clone()
        W.add_(self._method.ascent(W, G, self.h))
        oracle.gradient()
        W.copy_(iterate)  # subtracting ε again would round
        BASE.update(W, self._method.direction(g, G, self.h), self.state, self.h, self.t)


def row_norm(x: Tensor) -> Tensor:
    """Return the Euclidean norm of each row, ``(K, 1)``."""
    norms: Tensor = x.norm(dim=1, keepdim=True)
    return norms
