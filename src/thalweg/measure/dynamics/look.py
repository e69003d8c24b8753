"""What instruments see of one step, and what they share."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from thalweg.cohort import Cohort, GradientBackend, Training
from thalweg.cohort.backend import Batch
from thalweg.measure.subject import Subject
from thalweg.measure.watcher import without_diverged


@dataclass(frozen=True)
class Bench:
    """Where instruments compute: copies of the networks, with a backend that stays with them.

    Attributes:
        cohort: Each network so many times in a row.
        backend: Computes them, in the mode in which they train.
        rows: Which network each copy is of.
    """

    cohort: Cohort
    backend: GradientBackend
    rows: Tensor

    @classmethod
    def of(cls, training: Training, times: int) -> "Bench":
        """Return a bench with so many copies of each network."""
        cohort = training.cohort
        rows = torch.arange(cohort.rows, device=cohort.W.device).repeat_interleave(times)
        return cls(cohort.elsewhere(cohort.W[rows], rows), training.backend.twin(), rows)

    def gradient(self, cohort: Cohort, W: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return losses and masked gradients of the copies at weights ``(K, D)``.

        The networks' own buffers, which a pass in training mode may change, stay as they are.
        """
        own = self.cohort
        torch.index_select(W, 0, self.rows, out=own.W)
        for name, stacked in own.buffers.items():
            stacked.copy_(cohort.buffers[name][self.rows])
        losses = self.backend.gradient(own, batch)
        if cohort.mask is not None:
            own.G.masked_fill_(~cohort.mask[self.rows], 0)
        return losses, own.G


@dataclass
class Shared:
    """What the looks at one training have in common.

    Attributes:
        training: The cohort; its oracle has the current batch.
        groups: Parts of a batch whose gradients tell the noise.
        subject: Examples of the training split, for what is not about the batch.
        initial: Weights ``(K, D)`` at the start of the training.
        memory: What instruments keep from look to look.
    """

    training: Training
    groups: int
    subject: Subject
    initial: Tensor
    memory: dict[str, Tensor] = field(default_factory=dict)
    _benches: dict[int, Bench] = field(default_factory=dict)

    def bench(self, times: int) -> Bench:
        """Return a bench with so many copies of each network."""
        if times not in self._benches:
            self._benches[times] = Bench.of(self.training, times)
        return self._benches[times]


@dataclass
class Look:
    """One step of a cohort in training, as instruments see it when it has been taken.

    Attributes:
        shared: What all looks have.
        W: Weights ``(K, D)`` at which the gradient was taken.
        losses: Of the batch, ``(K,)``.
        gradient: Of the batch ``(K, D)``, masked and clipped.
        gradient_norm: Its norm before it was clipped, ``(K,)``.
        update: What the step has added to the weights, ``(K, D)``.
        previous: The update of the step before; None where that was not seen.
        gradients: What the instruments have cost so far, in gradients of a minibatch for each run;
            a product with a curvature matrix counts two, a loss a third.
    """

    shared: Shared
    W: Tensor
    losses: Tensor
    gradient: Tensor
    gradient_norm: Tensor
    update: Tensor
    previous: Tensor | None
    gradients: float = 0.0

    @property
    def training(self) -> Training:
        return self.shared.training

    @property
    def batch(self) -> Batch:
        """The batch of the step."""
        return self.training.oracle.batch()

    @cached_property
    def subject(self) -> Subject:
        """The training examples, at the weights of this look."""
        W = without_diverged(self.training, self.W, self.shared.initial)
        return self.shared.subject.moved(self.training.cohort, W)

    @cached_property
    def update_norm(self) -> Tensor:
        """‖Δw‖, ``(K,)``."""
        return row_norm(self.update)

    @property
    def pass_cost(self) -> float:
        """What a gradient over the examples of `subject` is in gradients of a minibatch."""
        return self.subject.examples / self.batch.size

    @property
    def group_size(self) -> int:
        """Examples in each part of the batch; 0 for a batch that cannot be parted."""
        parts = min(self.shared.groups, self.batch.size)
        return self.batch.size // parts if parts > 1 else 0

    @cached_property
    def group_gradients(self) -> Tensor:
        """Gradients of equal parts of the batch, ``(K, parts, D)``; examples that are left over
        take no part. Together they cost one gradient.
        """
        each, batch, cohort = self.group_size, self.batch, self.training.cohort
        parts = min(self.shared.groups, batch.size)
        index = batch.index[..., : parts * each].unflatten(-1, (parts, each))
        rows = index.expand(cohort.rows, parts, each).reshape(-1, each)
        bench = self.shared.bench(parts)
        _, found = bench.gradient(cohort, self.W, Batch(batch.split, rows, batch.step))
        self.gradients += 1
        return found.view(cohort.rows, parts, -1)


def row_norm(X: Tensor) -> Tensor:
    """Return the norm of each row, ``(K,)``."""
    norms: Tensor = torch.linalg.vector_norm(X, dim=-1)
    return norms
