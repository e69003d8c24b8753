"""Gradients by the compiled kernels: chains of known layers, on the CPU."""

from collections.abc import Iterable

import torch
from torch import Tensor

from thalweg.cohort.autograd import AutogradBackend
from thalweg.cohort.backend import Batch, Fisher, FisherFactors, GradientBackend
from thalweg.cohort.matrix import Cohort
from thalweg.data import LossName, Split
from thalweg.native import Chain, Kernel, SampleTensors


class NativeBackend(GradientBackend):
    """The whole forward and backward pass of all rows in one call, outside Python.

    A row's result does not depend on the other rows or on the number of threads, to the bit.

    Args:
        loss: The task's loss.
        chain: The network's layers, as recognised.
        label_smoothing: Of the loss that is trained on.
    """

    def __init__(self, loss: LossName, chain: Chain, label_smoothing: float = 0.0) -> None:
        super().__init__(loss, label_smoothing=label_smoothing)
        self._kernel = Kernel(chain, loss, label_smoothing)
        # For what the kernels have no pass for.
        self._autograd = AutogradBackend(loss, stacked=False, label_smoothing=label_smoothing)
        self._samples: dict[int, tuple[Split, SampleTensors]] = {}

    def gradient(self, cohort: Cohort, batch: Batch) -> Tensor:
        samples = self._tensors(batch.split)
        losses = self._kernel.gradient(cohort.W, samples, batch.index, cohort.G)
        return losses.to(cohort.W.dtype)

    def product(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        out = torch.empty_like(cohort.W)
        samples = self._tensors(batch.split)
        self._kernel.product(cohort.W, V.contiguous(), samples, batch.index, out)
        return out

    def gauss_newton(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        return self._autograd.gauss_newton(cohort, batch, V)

    def empirical_fisher(self, cohort: Cohort, batch: Batch, V: Tensor) -> Tensor:
        return self._autograd.empirical_fisher(cohort, batch, V)

    def fisher_factors(self, cohort: Cohort, batch: Batch, fisher: Fisher) -> FisherFactors:
        return self._autograd.fisher_factors(cohort, batch, fisher)

    def losses(self, cohort: Cohort, batch: Batch) -> Tensor:
        outputs = self._kernel.outputs(cohort.W, self._tensors(batch.split), batch.index)
        targets = batch.split.batch_targets(batch.index)
        rows = [targets] * cohort.rows if batch.shared else list(targets)
        return torch.stack(
            [self._training_losses(z, y).mean() for z, y in zip(outputs, rows, strict=True)]
        )

    def outputs(self, cohort: Cohort, split: Split, examples: slice) -> Iterable[Tensor]:
        index = torch.arange(examples.start, examples.stop)
        return self._kernel.outputs(cohort.W, self._tensors(split), index)

    def _tensors(self, split: Split) -> SampleTensors:
        # The split is kept beside its tensors, so that its identity is not given to another.
        if id(split) not in self._samples:
            tensors = SampleTensors(split.inputs, split.targets, split.scale, split.offset)
            self._samples[id(split)] = (split, tensors)
        return self._samples[id(split)][1]
