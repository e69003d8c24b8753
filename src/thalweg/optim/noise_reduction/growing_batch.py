"""SGD whose batch grows."""

import math
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.optim.method import Method
from thalweg.optim.noise_reduction.estimator import EstimatorHyperparameters, RowsWithEstimate
from thalweg.randomness import generator


class GrowingBatchHyperparameters(EstimatorHyperparameters):
    """``growth`` is the factor ρ of the batch size from one epoch to the next."""

    growth: float = Field(default=1.5, ge=1)


class GrowingBatchRows(RowsWithEstimate):
    def estimate(self, oracle: Oracle) -> Tensor:
        N, B = oracle.examples, oracle.batch_size
        epoch, growth = self.seen // N, self.h.growth
        whole = epoch * math.log(growth) >= math.log(N / B)  # the power itself may overflow
        wanted = N if whole else int(B * growth**epoch)
        if wanted == B:
            return self.cohort.G
        total = self.cohort.G * (B / wanted)
        for part in self._further(oracle.index, N, wanted - B).split(B, dim=1):
            oracle.gradient(part)
            total.add_(self.cohort.G, alpha=part.shape[1] / wanted)
        return total

    def _further(self, index: Tensor, examples: int, count: int) -> Tensor:
        """Return ``(K, count)`` examples of each run that are in its batch in no variant."""
        found = []
        for row, seed in enumerate(self.cohort.seeds):
            batch = index if index.ndim == 1 else index[row]
            order = torch.randperm(examples, generator=generator(seed, "further", self._step))
            order = order.to(index.device)
            found.append(order[~torch.isin(order, batch % examples)][:count])
        return torch.stack(found)


class GrowingBatch(Method):
    """SGD on batches that grow geometrically.

    In epoch e, from 0, the gradient is the mean over min(N, ⌊B·ρᵉ⌋) examples: the drawn batch of B
    and others that are drawn without replacement from the rest; w ← w − η·(g + λ·w).

    With a constant step, the noise falls as fast as the batch grows. An epoch keeps its number of
    steps, so that it comes to cost ρᵉ passes. ``train.clip_norm`` bounds the gradient of the drawn
    batch alone.
    """

    name = "growing_batch"
    summary = "SGD whose batch grows geometrically with the epochs"
    family = "noise reduction"
    source = "Friedlander & Schmidt, arXiv:1104.2373; Smith et al., arXiv:1711.00489"
    options = GrowingBatchHyperparameters
    needs = frozenset({"closure", "examples"})
    gradients = "the growth to the power of the epoch"

    def structure(self, h: Any) -> Hashable:
        return (h.growth,)

    def bind(
        self, cohort: Cohort, hyperparameters: Sequence[GrowingBatchHyperparameters]
    ) -> RowOptimizer:
        return GrowingBatchRows(self.options, cohort, hyperparameters)
