"""The interface by which a cohort gets its gradients, whatever computes them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from thalweg.cohort.losses import example_losses
from thalweg.cohort.matrix import Cohort
from thalweg.data import LossName, Split

EVALUATION_EXAMPLES = 2000
"""Examples a forward pass of an evaluation: large enough to fill the machine, small enough that
the activations of a stacked convolution stay within a few hundred megabytes."""


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
        class_loss: Mean loss of each class's examples, ``(K, C)``, NaN for a class that has none;
            None where it was not asked for, and for regression.
    """

    loss: Tensor
    accuracy: Tensor | None
    confusion: Tensor | None
    class_loss: Tensor | None = None


Fisher = Literal["sampled", "exact", "empirical"]
"""At which targets the gradients of a Fisher matrix are taken: drawn from the model's own
distribution; all of them, weighted by it, which gives the matrix itself; or the examples' own."""


@dataclass(frozen=True)
class FisherFactors:
    """Kronecker factors of blocks of the Fisher matrix (`thalweg.cohort.kronecker`).

    Attributes:
        factors: A ``(K, inputs, inputs)`` and S ``(K, outputs, outputs)`` of each block that took
            part in the forward pass, by the name of its weight.
        gradients: Backward passes that they took.
    """

    factors: dict[str, tuple[Tensor, Tensor]]
    gradients: int


class GradientBackend(ABC):
    """Losses, gradients, and products with curvature matrices, of a cohort.

    Args:
        loss: The task's loss.
        capturable: Its gradient may be captured as a CUDA graph.
        label_smoothing: Of the loss that is trained on; evaluation is without.
    """

    def __init__(
        self, loss: LossName, capturable: bool = True, label_smoothing: float = 0.0
    ) -> None:
        self.capturable = capturable
        self._loss = loss
        self._label_smoothing = label_smoothing

    def _training_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the losses ``(B,)`` that are trained on."""
        return example_losses(self._loss, outputs, targets, self._label_smoothing)

    def twin(self) -> "GradientBackend":
        """Return one that computes the same, for other cohorts meanwhile: what is kept for one
        cohort need not be made anew whenever another is computed.
        """
        return self

    @abstractmethod
    def gradient(self, cohort: Cohort, batch: Batch) -> Tensor:
        """Write each run's gradient into ``cohort.G`` and return the losses ``(K,)``.

        The loss of a run is the mean over its batch; row k of G is ∂loss_k/∂W_k.
        """

    @abstractmethod
    def product(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        """Return each run's Hessian times its direction, ``(K, D)``.

        Row k is ∇²loss_k(W_k)·V_k, the loss being the mean over the run's batch.

        Args:
            cohort: The networks.
            batch: Examples.
            V: Directions ``(K, D)``.
        """

    @abstractmethod
    def gauss_newton(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        """Return each run's Gauss–Newton matrix times its direction, ``(K, D)``.

        Row k is the mean over the run's batch of Jᵀ·H·J·V_k, J being the Jacobian of an example's
        outputs in the weights and H the Hessian of its loss in the outputs
        (`thalweg.cohort.losses.times_output_hessian`).

        Args:
            cohort: The networks.
            batch: Examples.
            V: Directions ``(K, D)``.
        """

    @abstractmethod
    def empirical_fisher(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        """Return each run's empirical Fisher matrix times its direction, ``(K, D)``.

        Row k is the mean over the run's batch of g·gᵀ·V_k, g being the gradient of an example's
        loss at the example's own target.

        Args:
            cohort: The networks.
            batch: Examples.
            V: Directions ``(K, D)``.
        """

    @abstractmethod
    def fisher_factors(self, cohort: Cohort, batch: Batch, fisher: Fisher) -> FisherFactors:
        """Return the Kronecker factors of the Fisher matrix's blocks over each run's batch."""

    @abstractmethod
    def losses(self, cohort: Cohort, batch: Batch) -> Tensor:
        """Return the losses ``(K,)`` that `gradient` would, without the gradient."""

    @abstractmethod
    def outputs(self, cohort: Cohort, split: Split, examples: slice) -> Iterable[Tensor]:
        """Return each run's outputs ``(B, outputs)`` for a range of a split, in evaluation mode."""

    @torch.no_grad()
    def evaluate(self, cohort: Cohort, split: Split, by_class: bool = False) -> Evaluation:
        """Evaluate each run on a whole split, in evaluation mode.

        Args:
            cohort: The networks.
            split: The examples.
            by_class: Take the loss of each class's examples too.
        """
        K, N = cohort.rows, len(split)
        loss = torch.zeros(K, dtype=torch.float64, device=cohort.W.device)
        confusion: Tensor | None = None
        sums: Tensor | None = None
        for start in range(0, N, EVALUATION_EXAMPLES):
            examples = slice(start, min(start + EVALUATION_EXAMPLES, N))
            targets = split.batch_targets(examples)
            for k, outputs in enumerate(self.outputs(cohort, split, examples)):
                losses = example_losses(self._loss, outputs, targets)
                loss[k] += losses.sum().double()
                if self._loss == "cross_entropy":
                    C = outputs.shape[-1]
                    if confusion is None or sums is None:
                        confusion = loss.new_zeros((K, C * C), dtype=torch.int64)
                        sums = loss.new_zeros((K, C))
                    if by_class:
                        sums[k].index_add_(0, targets, losses.double())
                    pairs = targets * C + outputs.argmax(-1)
                    confusion[k] += torch.bincount(pairs, minlength=C * C)
        if confusion is None or sums is None:
            return Evaluation(loss / N, None, None)
        C = round(confusion.shape[1] ** 0.5)
        counts = confusion.view(K, C, C)
        accuracy = counts.diagonal(dim1=1, dim2=2).sum(1).double() / N
        class_loss = sums / counts.sum(2) if by_class else None
        return Evaluation(loss / N, accuracy, counts, class_loss)
