"""AMSGrad: Adam whose step sizes never grow."""

from typing import Any

import torch
from torch import Tensor

from thalweg.optim.adaptive.adam import Adam


class AMSGrad(Adam):
    """Adam with the largest second moment so far; weight decay is added to the gradient.

    m and v as in `adam`;  v̂ ← max(v̂, v);  w ← w − η/(1−β₁ᵗ) · m / (√v̂/√(1−β₂ᵗ) + ε).
    """

    name = "amsgrad"
    summary = "Adam with the maximum of past second moments"
    source = "Reddi, Kale & Kumar, arXiv:1904.09237; torch.optim.Adam(amsgrad=True)"

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {**super().state(w, h), "v_max": torch.zeros_like(w)}
