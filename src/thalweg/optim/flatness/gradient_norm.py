"""A penalty on the norm of the gradient."""

from typing import Any

from pydantic import Field
from torch import Tensor

from thalweg.optim.flatness.ascent import AscentHyperparameters
from thalweg.optim.flatness.sam import SAM


class GradientNormHyperparameters(AscentHyperparameters):
    """``alpha`` is α = λ/ρ, λ being the weight of the penalty λ·‖∇L(w)‖."""

    alpha: float = Field(default=0.8, ge=0)


class GradientNorm(SAM):
    """Gradient-norm penalty: the gradient of L(w) + α·ρ·‖∇L(w)‖, by a finite difference.

    With g = ∇L(w) and ε = ρ·g / ‖g‖: SGD steps along (1 − α)·g + α·∇L(w + ε), since
    ∇‖∇L(w)‖ = H·g / ‖g‖ ≈ (∇L(w + ε) − g) / ρ. α = 0 is SGD and α = 1 is SAM.
    """

    name = "gradient_norm"
    summary = "momentum SGD with a penalty on the gradient's norm"
    source = "Zhao, Zhang & Hu, arXiv:2202.03599"
    options = GradientNormHyperparameters

    def direction(self, g: Tensor, climbed: Tensor, h: Any) -> Tensor:
        penalty: Tensor = h.alpha * (climbed - g)
        return g + penalty
