"""Surrogate-gap guided sharpness-aware minimisation."""

from typing import Any

from pydantic import Field
from torch import Tensor

from thalweg.optim.flatness.ascent import TINY, AscentHyperparameters, row_norm
from thalweg.optim.flatness.sam import SAM


class GSAMHyperparameters(AscentHyperparameters):
    """``alpha`` is the weight α of the step that closes the surrogate gap L(w + ε) − L(w)."""

    alpha: float = Field(default=0.4, ge=0)


class GSAM(SAM):
    """GSAM: SAM, and uphill in L(w) across SAM's direction, which lowers the gap L(w + ε) − L(w).

    With g = ∇L(w), p = ∇L(w + ε), ε as in `SAM`, and g_⊥ the part of g that is orthogonal to p:
    SGD steps along p − α·g_⊥. The paper lets ρ follow the learning rate; here it is constant.
    """

    name = "gsam"
    summary = "SAM that also minimises the surrogate gap"
    source = "Zhuang et al., arXiv:2203.08065; juntang-zhuang/GSAM"
    options = GSAMHyperparameters

    def direction(self, g: Tensor, climbed: Tensor, h: Any) -> Tensor:
        unit = climbed / (row_norm(climbed) + TINY)
        orthogonal = g - (g * unit).sum(1, keepdim=True) * unit
        closing: Tensor = h.alpha * orthogonal
        return climbed - closing
