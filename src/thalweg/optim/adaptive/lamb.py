"""LAMB: Adam's direction, as long in each parameter as the parameter itself."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.adam import Adam, AdamHyperparameters, root_of_moment
from thalweg.optim.adaptive.moments import bias_correction, update_moments_
from thalweg.optim.adaptive.trust_ratio import run_norms, trust_ratio
from thalweg.optim.rule import Value, add_scaled_, add_weight_decay


class LAMBHyperparameters(AdamHyperparameters):
    """``weight_decay`` is part of the direction whose length is normalised."""

    eps: float = Field(default=1e-6, ge=0)


class LAMB(Adam):
    """Layerwise adaptive moments for batch training.

    m and v as in `adam`;  r = m/(1−β₁ᵗ) / (√v/√(1−β₂ᵗ) + ε) + λ·w;  w ← w − η·‖w‖/‖r‖·r,
    with the norms of one parameter (a weight and its bias are two).

    The trust ratio ‖w‖/‖r‖ is not clipped (φ(z) = z in the paper's terms), and it is 1 where
    either norm is 0, as that of a bias that starts at 0. Biases and norm scales have a ratio of
    their own like any other parameter; some codes exempt them.
    """

    name = "lamb"
    summary = "Adam with a trust ratio for each parameter"
    source = "You et al., arXiv:1904.00962"
    options = LAMBHyperparameters
    by_parameter = True

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        update_moments_(g, state, h)
        r = (state["m"] / bias_correction(h.beta1, t, w)).div_(root_of_moment(state["v"], h, t))
        r = add_weight_decay(r, w, h.weight_decay)
        weight, step = run_norms(w), run_norms(r)
        add_scaled_(w, r, -h.lr * trust_ratio(weight, step, step))
