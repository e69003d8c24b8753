"""Alternating compressed and decompressed training."""

from collections.abc import Hashable, Sequence

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.errors import InputError
from thalweg.sparsity.options import SparsityOptions
from thalweg.sparsity.sparsifier import Setting, Sparsifier


class AlternatingOptions(SparsityOptions):
    """Phases, in epochs.

    Attributes:
        warmup_epochs: Dense training at first.
        sparse_epochs: Length of each compressed phase but the last.
        dense_epochs: Length of each decompressed phase.
        final_epochs: Length of the training's end, which is compressed.
    """

    warmup_epochs: int = Field(default=1, ge=0)
    sparse_epochs: int = Field(default=1, ge=1)
    dense_epochs: int = Field(default=1, ge=1)
    final_epochs: int = Field(default=1, ge=1)

    def check_length(self, epochs: int) -> None:
        if self.warmup_epochs + self.final_epochs > epochs:
            raise InputError(
                f"sparsity.warmup_epochs = {self.warmup_epochs}: must leave room for final_epochs "
                f"= {self.final_epochs} in the {epochs} epochs of training"
            )


class Alternating(Sparsifier):
    """After a dense warm-up, phases in which the k largest of |w| are kept and all others are 0
    take turns with phases in which every weight is trained; the last phase is sparse. A phase
    begins right after the last step of the one before, so that an epoch before a compressed phase
    is judged compressed.
    """

    name = "acdc"
    summary = "sparse and dense phases in turn, sparse in the end (AC/DC)"
    source = "Peste et al., AC/DC, arXiv:2106.12379"
    options = AlternatingOptions

    def __init__(self, setting: Setting, options: Sequence[AlternatingOptions]) -> None:
        super().__init__(setting, options)
        self._phases: AlternatingOptions = options[0]
        self._epochs = setting.steps // setting.steps_per_epoch

    @classmethod
    def structure(cls, options: AlternatingOptions) -> Hashable:
        return (
            options.warmup_epochs,
            options.sparse_epochs,
            options.dense_epochs,
            options.final_epochs,
        )

    def begin(self, cohort: Cohort, oracle: Oracle) -> None:
        self._enter(cohort, 0)

    def after_step(self, cohort: Cohort, step: int, lr: float | Tensor) -> None:
        epoch, rest = divmod(step, self.setting.steps_per_epoch)
        if rest == 0 and epoch < self._epochs:
            self._enter(cohort, epoch)

    def _enter(self, cohort: Cohort, epoch: int) -> None:
        """Compress or decompress if a phase begins with this epoch."""
        sparse = self._sparse(epoch)
        if sparse == (epoch > 0 and self._sparse(epoch - 1)):
            return
        if sparse:
            cohort.set_mask(self.largest(cohort.W, self.counts))
        else:
            cohort.set_mask(torch.ones_like(cohort.W, dtype=torch.bool))

    def _sparse(self, epoch: int) -> bool:
        phases = self._phases
        into = epoch - phases.warmup_epochs
        in_turn = into >= 0 and into % (phases.sparse_epochs + phases.dense_epochs) < (
            phases.sparse_epochs
        )
        return in_turn or epoch >= self._epochs - phases.final_epochs
