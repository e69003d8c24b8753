"""Methods: optimizers that need more of the objective than the gradient of the current batch."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from thalweg.cohort import Cohort, RowOptimizer
from thalweg.optim.rule import Hyperparameters, structure_of


class Method(ABC):
    """An optimizer that asks the oracle: for gradients elsewhere or of other examples, for losses,
    for Hessian-vector products, for passes over all data.

    Class attributes:
        name: The name a study uses.
        summary: One line of help.
        family: "noise reduction", "second order", ...
        source: Where the method is published.
        options: The hyperparameters.
        needs: What it needs beyond the gradient, of `thalweg.optim.needs.NEEDS`.
        gradients: Gradient evaluations a step, in words: "2", "1, and a full pass an epoch".
        stacks: Rows share a cohort; False trains each run alone.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    family: ClassVar[str]
    source: ClassVar[str]
    options: ClassVar[type[Hyperparameters]]
    needs: ClassVar[frozenset[str]] = frozenset()
    gradients: ClassVar[str] = "1"
    stacks: ClassVar[bool] = True

    def structure(self, h: Any) -> Hashable:
        """Return what must agree for runs to share a cohort: whatever changes the code path.

        By default every hyperparameter that is not a float.
        """
        return structure_of(self.options, h)

    @abstractmethod
    def bind(self, cohort: Cohort, hyperparameters: Sequence[Any]) -> RowOptimizer:
        """Return the method acting on the cohort's rows, one set of hyperparameters a row."""

    def beyond_closures(self, h: Any) -> str:
        """Return which hyperparameter a closure cannot serve, and why; "" if it can serve them
        (see `thalweg.optim.method_as_torch`).
        """
        return ""
