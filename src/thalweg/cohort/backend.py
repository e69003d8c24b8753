"""The interface by which a cohort gets its gradients, whatever computes them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from thalweg.cohort.matrix import Cohort
from thalweg.data import Split


@dataclass(frozen=True)
class Batch:
    """Examples by index, so that a backend may gather them as it likes best.

    Attributes:
        split: Where the examples lie.
        index: ``(B,)`` if all runs see the same examples, else ``(K, B)``.
        step: The step this batch belongs to; addresses the random draws of a stochastic network.
    """

    split: Split
    index: Tensor
    step: int

    @property
    def shared(self) -> bool:
        return self.index.ndim == 1

    @property
    def size(self) -> int:
        return self.index.shape[-1]


@dataclass(frozen=True)
class Evaluation:
    """Figures of each run on one split.

    Attributes:
        loss: Mean loss an example, ``(K,)``.
        accuracy: Fraction of examples whose largest output is their class, ``(K,)``; None for
            regression.
        confusion: Counts by true and predicted class, ``(K, C, C)``; None for regression.
    """

    loss: Tensor
    accuracy: Tensor | None
    confusion: Tensor | None


class GradientBackend(ABC):
    """Losses and gradients of a cohort."""

    name: str

    @abstractmethod
    def gradient(self, cohort: Cohort, batch: Batch) -> Tensor:
        """Write each run's gradient into ``cohort.G`` and return the losses ``(K,)``.

        The loss of a run is the mean over its batch; row k of G is ∂loss_k/∂W_k.
        """

    @abstractmethod
    def evaluate(self, cohort: Cohort, split: Split) -> Evaluation:
        """Evaluate each run on a whole split, in evaluation mode, without gradients."""
