"""Sharpness-aware minimisation."""

from typing import Any

from torch import Tensor

from thalweg.optim.flatness.ascent import TINY, AscentMethod, row_norm


class SAM(AscentMethod):
    """SAM: the gradient at the worst point of a ball around the weights, to first order.

    ε = ρ·g / ‖g‖ with g = ∇L(w), the norm over all weights; SGD steps along ∇L(w + ε).
    """

    name = "sam"
    summary = "sharpness-aware minimisation on momentum SGD"
    source = "Foret et al., arXiv:2010.01412"

    def ascent(self, w: Tensor, g: Tensor, h: Any) -> Tensor:
        scale: Tensor = h.rho / (row_norm(g) + TINY)
        return g * scale
