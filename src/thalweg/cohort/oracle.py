"""What an optimizer may ask of the objective within a step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from thalweg.cohort.backend import Batch, Fisher, GradientBackend
from thalweg.cohort.clipping import clip_rows_
from thalweg.cohort.matrix import Cohort
from thalweg.data import Split

CHUNK = 1000
"""Examples a call of a pass over the whole split, or the batch if that is larger."""


@dataclass
class Asked:
    """What was computed for one run within a step.

    Attributes:
        examples: Examples whose gradient was computed.
        gradient_evaluations: Minibatch gradients; a pass over N examples counts ⌈N / batch⌉.
        loss_evaluations: Minibatch losses without a gradient.
        products: Products with the Hessian or Gauss–Newton matrix over a minibatch.
    """

    examples: int = 0
    gradient_evaluations: int = 0
    loss_evaluations: int = 0
    products: int = 0

    def add(self, more: "Asked") -> None:
        self.examples += more.examples
        self.gradient_evaluations += more.gradient_evaluations
        self.loss_evaluations += more.loss_evaluations
        self.products += more.products


class Oracle:
    """The objective as an optimizer sees it: always at the weights that ``cohort.W`` holds when it
    is asked, by default on the current batch.

    Gradients go to ``cohort.G``, are masked, and are zero for frozen runs. Only that of the current
    batch is clipped.

    Where only some runs still need an answer, as in a line search, ``active`` says which, ``(K,)``
    or ``(K, 1)``: all rows are computed, and only the active ones are counted, so that a run costs
    the same whoever it trains with.

    Args:
        cohort: The networks.
        backend: Computes.
        split: Training examples, and after them their variants where the data are augmented.
        examples: N, the number of training examples, without variants.
        clip_norm: Bound on each run's gradient norm, one or a column ``(K, 1)``; None for none.
        view: Gives the weights at which the networks are evaluated, from those that the optimizer
            moves; None where they are the same.

    Attributes:
        examples: N.
        index: Numbers of the batch's examples in the split, ``(B,)`` if all runs see the same, else
            ``(K, B)``.
        losses: Mean loss of each run over the batch ``(K,)``, at the weights of the last gradient.
        unclipped: Norm of that gradient before it was clipped ``(K,)``; None without clipping.
        asked: What was computed for each run since the batch was drawn.
        frozen: Rows that have diverged.
    """

    def __init__(
        self,
        cohort: Cohort,
        backend: GradientBackend,
        split: Split,
        examples: int,
        clip_norm: float | Tensor | None = None,
        view: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._cohort = cohort
        self._backend = backend
        self._split = split
        self.examples = examples
        self._clip_norm = clip_norm
        self._view = view
        self._step = 0
        self.index = torch.zeros(0, dtype=torch.int64)
        self.losses = torch.zeros(0)
        self.unclipped: Tensor | None = None
        self.asked = self._nothing()
        self.frozen: set[int] = set()

    @property
    def batch_size(self) -> int:
        """B, the number of examples of the current batch."""
        return self.index.shape[-1]

    def draw(self, index: Tensor, step: int) -> Tensor:
        """Make ``index`` the current batch of step ``step`` and compute its gradient."""
        self.index, self._step = index, step
        self.asked = self._nothing()
        return self.gradient()

    def gradient(self, index: Tensor | None = None, active: Tensor | None = None) -> Tensor:
        """Write each run's gradient over a batch into ``cohort.G`` and return the losses ``(K,)``.

        Args:
            index: Numbers of other examples, shaped as `index`; None for the current batch.
            active: Runs that are counted; None for all.
        """
        current = index is None
        batch = self.batch(index)
        with self._viewed():
            losses = self._backend.gradient(self._cohort, batch)
        self._cohort.mask_gradient()
        if current:
            if self._clip_norm is not None:
                self.unclipped = clip_rows_(self._cohort.G, self._clip_norm)
            self.losses = losses
        self._still_frozen(self._cohort.G)
        self._count_gradients(batch.size, active)
        return losses

    def full_gradient(self) -> Tensor:
        """Write the gradient over the whole training split into ``cohort.G``; return the losses."""
        N, device = self.examples, self._cohort.W.device
        total = torch.zeros_like(self._cohort.G)
        losses = torch.zeros(self._cohort.rows, dtype=torch.float64, device=device)
        for part in torch.arange(N, device=device).split(max(CHUNK, self.batch_size)):
            share = len(part) / N
            with self._viewed():
                batch = Batch(self._split, part, self._step)
                losses += share * self._backend.gradient(self._cohort, batch)
            total.add_(self._cohort.G, alpha=share)
        self._cohort.G.copy_(total)
        self._cohort.mask_gradient()
        self._still_frozen(self._cohort.G)
        self._count_gradients(N)
        return losses.to(self._cohort.W.dtype)

    def loss(self, index: Tensor | None = None, active: Tensor | None = None) -> Tensor:
        """Return the losses ``(K,)`` over a batch, without a gradient."""
        batch = self.batch(index)
        self._count(Asked(loss_evaluations=-(-batch.size // self.batch_size)), active)
        with self._viewed():
            return self._backend.losses(self._cohort, batch)

    def product(self, V: Tensor, active: Tensor | None = None) -> Tensor:
        """Return each run's Hessian over the batch times its direction, ``(K, D)``, masked."""
        return self._product(self._backend.product, V, active)

    def gauss_newton(self, V: Tensor, active: Tensor | None = None) -> Tensor:
        """Return each run's Gauss–Newton matrix over the batch times its direction, ``(K, D)``,
        masked; counted as a product.
        """
        return self._product(self._backend.gauss_newton, V, active)

    def fisher_factors(self, fisher: Fisher) -> dict[str, tuple[Tensor, Tensor]]:
        """Return the Kronecker factors of the Fisher matrix's blocks over the batch, A
        ``(K, inputs, inputs)`` and S ``(K, outputs, outputs)``, by the name of the block's weight
        (`thalweg.cohort.kronecker`). They are of all weights, masked or not; a backward pass is
        counted as a gradient.
        """
        with self._viewed():
            found = self._backend.fisher_factors(self._cohort, self.batch(), fisher)
        for pair in found.factors.values():
            for factor in pair:
                self._still_frozen(factor)
        self._count_gradients(self.batch_size * found.gradients)
        return found.factors

    def _product(
        self,
        multiply: Callable[[Cohort, Batch, Tensor], Tensor],
        V: Tensor,
        active: Tensor | None,
    ) -> Tensor:
        self._count(Asked(products=1), active)
        with self._viewed():
            found = multiply(self._cohort, self.batch(), V)
        self._cohort.mask_(found)
        self._still_frozen(found)
        return found

    def viewed(self) -> Tensor:
        """Return the weights ``(K, D)`` at which the networks are evaluated."""
        W = self._cohort.W
        return W if self._view is None else self._view(W)

    @contextmanager
    def _viewed(self) -> Iterator[None]:
        """Let ``cohort.W`` hold the weights at which the networks are evaluated."""
        if self._view is None:
            yield
            return
        W = self._cohort.W
        latent = W.clone()
        W.copy_(self.viewed())
        try:
            yield
        finally:
            W.copy_(latent)

    def batch(self, index: Tensor | None = None) -> Batch:
        """Return other examples of the training split by number, or the current batch."""
        return Batch(self._split, self.index if index is None else index, self._step)

    def _still_frozen(self, rows: Tensor) -> None:
        """Zero the rows of frozen runs: a stranger's optimizer may refuse what is not finite."""
        for row in self.frozen:
            rows[row] = 0

    def _nothing(self) -> list[Asked]:
        return [Asked() for _ in range(self._cohort.rows)]

    def _count_gradients(self, examples: int, active: Tensor | None = None) -> None:
        batches = -(-examples // self.batch_size)
        self._count(Asked(examples=examples, gradient_evaluations=batches), active)

    def _count(self, asked: Asked, active: Tensor | None) -> None:
        counted = [True] * self._cohort.rows if active is None else active.flatten().tolist()
        for row, counts in zip(self.asked, counted, strict=True):
            if counts:
                row.add(asked)
