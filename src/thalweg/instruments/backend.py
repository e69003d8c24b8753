"""Gradients of a loss of someone's own."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from thalweg.cohort import AutogradBackend, Batch, Cohort
from thalweg.cohort.layout import trainable
from thalweg.data import Split
from thalweg.instruments.examples import Library


class OwnLossBackend(AutogradBackend):
    """Autograd, for networks that are called with numbers of examples (`Called`) and a loss of
    someone's own; of what instruments do not ask for, nothing is of this loss.

    Args:
        library: The examples, and the loss.
        training: Whether derivatives are of the network as it trains: every part of it in the mode
            it is in, and drawing the random numbers that it drew.

    Attributes:
        modes: Whether each part of the network trains, in the order of ``modules()``.
    """

    def __init__(self, library: Library, training: bool) -> None:
        super().__init__("cross_entropy", stacked=False, training=training)
        self._library = library
        self.modes: list[bool] = []

    def twin(self) -> "OwnLossBackend":
        other = OwnLossBackend(self._library, self._training)
        other.modes = self.modes  # one list, which is written to
        return other

    def gradient(self, cohort: Cohort, batch: Batch) -> Tensor:
        self._bind(cohort)
        numbers, _ = batch.split.batch(batch.index)
        losses = torch.zeros_like(cohort.W[:, 0])
        cohort.G.zero_()
        for k, module in enumerate(self._modules):
            if self._training:
                for part, training in zip(module.modules(), self.modes, strict=True):
                    part.training = training
            leaves = list(trainable(module).values())
            for piece in self._library.pieces(numbers if batch.shared else numbers[k]):
                share = len(piece) / batch.size
                if self._training:
                    with self._library.as_called(piece):
                        loss = self._library.loss(module(piece), piece)
                else:
                    loss = self._library.loss(module(piece), piece)
                found = torch.autograd.grad(loss, leaves, materialize_grads=True)
                flat = torch.cat([each.reshape(-1) for each in found])
                cohort.G[k].add_(flat, alpha=share)
                losses[k] += share * loss.detach()
                self._keep_buffers(cohort, k)
        return losses

    def product(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        total = torch.zeros_like(V)
        for index in batch.index.split(self._library.at_once):
            part = Batch(batch.split, index, batch.step)
            # Fused attention has no second derivative.
            with sdpa_kernel(SDPBackend.MATH):
                total.add_(super().product(cohort, part, V), alpha=len(index) / batch.size)
        return total

    def _training_losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss, of which a further mean is the same; targets are numbers."""
        return self._library.loss(outputs, targets)

    @torch.no_grad()
    def outputs(self, cohort: Cohort, split: Split, examples: slice) -> Iterable[Tensor]:
        self._bind(cohort)
        numbers, _ = split.batch(examples)
        for module in self._modules:
            parts = [module(piece) for piece in self._library.pieces(numbers)]
            yield torch.cat([getattr(part, "logits", part) for part in parts])
