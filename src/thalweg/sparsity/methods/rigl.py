"""RigL: the rigged lottery."""

from collections.abc import Sequence

import torch
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.sparsity.drop_and_grow import DropAndGrow, DropAndGrowOptions
from thalweg.sparsity.sparsifier import Setting


class RigL(DropAndGrow):
    """Grows the weights of largest |gradient|: that of the step's batch with respect to all
    weights, one more gradient evaluation at every exchange. The exchange follows the step of the
    optimizer where the published method has it take the step's place.
    """

    name = "rigl"
    summary = "sparse throughout; drops the smallest and grows where the gradient is largest (RigL)"
    source = "Evci et al., Rigging the Lottery, arXiv:1911.11134"
    options = DropAndGrowOptions

    def __init__(self, setting: Setting, options: Sequence[DropAndGrowOptions]) -> None:
        super().__init__(setting, options)
        self._gradient = torch.zeros_like(setting.cohort.W)

    def before_step(self, cohort: Cohort, oracle: Oracle, step: int) -> None:
        if not self.due(step + 1):
            return
        mask, masked = cohort.mask, cohort.G.clone()
        cohort.mask = None
        oracle.gradient()
        cohort.mask = mask
        self._gradient.copy_(cohort.G)
        cohort.G.copy_(masked)

    def worth(self, cohort: Cohort, step: int) -> Tensor:
        return self._gradient.abs()
