"""Iterative hard thresholding: projection to the k largest weights after every step."""

from collections.abc import Sequence

from thalweg.cohort import Cohort, Constraint
from thalweg.sparsity.options import SparsityOptions
from thalweg.sparsity.scope import columns
from thalweg.sparsity.selection import largest


class Projection(Constraint):
    """w ← the k largest of |w|, the others 0: the nearest point with at most k nonzero weights.

    A weight that is 0 goes on receiving its gradient and may come back. Blumensath & Davies,
    arXiv:0805.0510.

    Args:
        cohort: The rows.
        options: One set a run.
    """

    def __init__(self, cohort: Cohort, options: Sequence[SparsityOptions]) -> None:
        scopes = [columns(cohort.layout, each.parameters) for each in options]
        self._scopes = [scope.to(cohort.W.device) for scope in scopes]
        self._counts = [each.count(len(s)) for each, s in zip(options, scopes, strict=True)]

    def apply(self, cohort: Cohort, epoch: int) -> None:
        for w, scope, count in zip(cohort.W, self._scopes, self._counts, strict=True):
            chosen = w[scope]
            w[scope] = chosen.masked_fill(~largest(chosen.abs(), count), 0)
