"""Iterative hard thresholding: projection to the k largest weights after every step."""

from torch import Tensor

from thalweg.sparsity.sparsifier import Sparsifier


class Projection(Sparsifier):
    """w ← the k largest of |w|, the others 0: the nearest point with at most k nonzero weights.

    A weight that is 0 goes on receiving its gradient and may come back.
    """

    name = "projection"
    summary = "the k largest weights after every step, others 0 (iterative hard thresholding)"
    source = "Blumensath & Davies, arXiv:0805.0510"

    def hold(self, W: Tensor) -> None:
        W.mul_(self.largest(W, self.counts))
