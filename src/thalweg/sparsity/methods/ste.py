"""Magnitude pruning with a straight-through gradient."""

from typing import ClassVar

from torch import Tensor

from thalweg.sparsity.sparsifier import Sparsifier


class StraightThrough(Sparsifier):
    """Networks are evaluated at H(w), the k largest of |w| and the others 0; the optimizer moves
    the dense w by the gradient taken there, of all weights: ∂L/∂w := ∇L(H(w)).
    """

    name = "ste"
    summary = "dense weights, evaluated at the k largest (straight-through gradient)"
    source = "Bengio et al., arXiv:1308.3432"
    latent: ClassVar[bool] = True

    def view(self, W: Tensor) -> Tensor:
        return W * self.largest(W, self.counts)
