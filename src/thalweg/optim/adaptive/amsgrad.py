"""AMSGrad: Adam whose step sizes never grow."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from thalweg.optim.adaptive.adam import Adam, root_of_moment
from thalweg.optim.adaptive.moments import bias_correction, subtract_ratio_, update_moments_
from thalweg.optim.rule import Value, add_weight_decay


class AMSGrad(Adam):
    """Adam with the largest second moment so far; weight decay is added to the gradient.

    m and v as in `adam`;  v̂ ← max(v̂, v);  w ← w − η/(1−β₁ᵗ) · m / (√v̂/√(1−β₂ᵗ) + ε).
    """

    name = "amsgrad"
    summary = "Adam with the maximum of past second moments"
    source = "Reddi, Kale & Kumar, arXiv:1904.09237; torch.optim.Adam(amsgrad=True)"

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        return {**super().state(w, h), "v_max": torch.zeros_like(w)}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        update_moments_(add_weight_decay(g, w, h.weight_decay), state, h)
        v_max = torch.maximum(state["v_max"], state["v"], out=state["v_max"])
        rate = h.lr / bias_correction(h.beta1, t, w)
        subtract_ratio_(w, state["m"], root_of_moment(v_max, h, t), rate)
