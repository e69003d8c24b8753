"""One-shot magnitude pruning with training after it."""

from collections.abc import Sequence

import torch
from pydantic import Field

from thalweg.cohort import Cohort, Constraint
from thalweg.sparsity.options import SparsityOptions
from thalweg.sparsity.scope import columns
from thalweg.sparsity.selection import largest


class PruningOptions(SparsityOptions):
    """``after_epoch`` is when to prune; training goes on with the mask held."""

    after_epoch: int = Field(ge=0)


class MagnitudePruning(Constraint):
    """After some epochs the k largest of |w| are kept and the others are 0 from then on.

    Args:
        cohort: The rows.
        options: One set a run; they must agree in ``after_epoch``.
    """

    def __init__(self, cohort: Cohort, options: Sequence[PruningOptions]) -> None:
        self._after = options[0].after_epoch
        self._options = options
        self._scopes = [columns(cohort.layout, each.parameters) for each in options]

    def apply(self, cohort: Cohort, epoch: int) -> None:
        if epoch < self._after or cohort.mask is not None:
            return
        mask = torch.ones_like(cohort.W, dtype=torch.bool)
        for w, kept, each, scope in zip(cohort.W, mask, self._options, self._scopes, strict=True):
            kept[scope] = largest(w[scope].abs(), each.count(len(scope)))
        cohort.set_mask(mask)
