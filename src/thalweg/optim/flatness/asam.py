"""Adaptive sharpness-aware minimisation."""

from typing import Any

from pydantic import Field
from torch import Tensor

from thalweg.optim.flatness.ascent import TINY, AscentHyperparameters, AscentMethod, row_norm


class ASAMHyperparameters(AscentHyperparameters):
    """``eta`` is added to the weights' sizes, so that a small weight can still be moved."""

    rho: float = Field(default=0.5, ge=0)
    eta: float = Field(default=0.01, ge=0)


class ASAM(AscentMethod):
    """ASAM: SAM in a ball that scales with the weights.

    ε = ρ·T²g / ‖T·g‖ with T = |w| + η for each weight; SGD steps along ∇L(w + ε). The authors'
    code has T = 1 for biases; here, as in the paper's formula, all parameters are alike.
    """

    name = "asam"
    summary = "adaptive SAM: a climb in proportion to each weight's size"
    source = "Kwon et al., arXiv:2102.11600; SamsungLabs/ASAM"
    options = ASAMHyperparameters

    def ascent(self, w: Tensor, g: Tensor, h: Any) -> Tensor:
        T: Tensor = w.abs() + h.eta
        scaled = T * g
        scale: Tensor = h.rho / (row_norm(scaled) + TINY)
        return T * scaled * scale
