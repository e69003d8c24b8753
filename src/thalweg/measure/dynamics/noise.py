"""Noise of the minibatch gradient, from the gradients of parts of the batch.

Parts of b examples each stand for the examples: tr Σ = b·E‖g_b − ḡ‖², Σ being the covariance of an
example's gradient. Everything comes from one more pass over the batch.
"""

import torch
from torch import Tensor

from thalweg.measure.dynamics.instrument import Instrument
from thalweg.measure.dynamics.look import Look, row_norm


def _noise(look: Look) -> dict[str, Tensor]:
    """With parts g_b of b examples, ḡ their mean over B:

    - ``signal`` ‖G‖² ≈ (B·‖ḡ‖² − b·mean‖g_b‖²)/(B − b), which is without bias and may be negative;
    - ``noise`` tr Σ ≈ (mean‖g_b‖² − ‖ḡ‖²)/(1/b − 1/B);
    - ``noise_scale`` tr Σ/‖G‖², a batch size; NaN where the signal is not positive (McCandlish et
      al., arXiv:1812.06162);
    - ``confusion`` −min cos(g_b, g_c) over pairs of parts (Sankararaman et al., arXiv:1904.06963);
    - ``gsnr`` mean over weights of ḡ²/Var(an example's gradient) (Liu et al., arXiv:2001.07384);
    - ``norm_test`` √(tr Σ/B)/‖ḡ‖, the batch being large enough for θ if below it (Byrd et al.,
      Math. Program. 134, 2012);
    - ``inner_product_test`` √(Var(gᵀḡ)/B)/‖ḡ‖² (Bollapragada, Byrd & Nocedal, arXiv:1710.11258).
    """
    names = (
        *("signal", "noise", "noise_scale", "confusion", "gsnr", "norm_test"),
        "inner_product_test",
    )
    b = look.group_size
    if b == 0:  # one example has no parts
        return {name: torch.full_like(look.losses, torch.nan) for name in names}
    parts = look.group_gradients
    n = parts.shape[1]
    B = n * b
    mean = parts.mean(1)
    squares = torch.linalg.vecdot(parts, parts).double()  # (K, n)
    whole = torch.linalg.vecdot(mean, mean).double()
    signal = (B * whole - b * squares.mean(1)) / (B - b)
    noise = (squares.mean(1) - whole) / (1 / b - 1 / B)
    inner = (parts @ mean.unsqueeze(-1)).squeeze(-1).double()
    figures = (
        signal,
        noise,
        torch.where(signal > 0, noise / signal, torch.nan),
        _confusion(parts),
        _gsnr(parts, mean, b),
        (noise.clamp(min=0) / B).sqrt() / whole.sqrt(),
        (b * inner.var(1) / B).sqrt() / whole,
    )
    return dict(zip(names, figures, strict=True))


def _confusion(parts: Tensor) -> Tensor:
    unit = parts / row_norm(parts).unsqueeze(-1)
    cosines = unit @ unit.transpose(1, 2)
    n = parts.shape[1]
    apart = ~torch.eye(n, dtype=torch.bool, device=parts.device)
    return -cosines[:, apart].amin(1)


def _gsnr(parts: Tensor, mean: Tensor, b: int) -> Tensor:
    variance = (parts - mean.unsqueeze(1)).square_().sum(1).mul_(b / (parts.shape[1] - 1))
    ratio = mean.square() / variance
    # A weight that no example moves has neither signal nor noise.
    moved = variance > 0
    return torch.where(moved, ratio, 0).sum(1) / moved.sum(1)


NOISE = Instrument(
    "noise",
    "gradient noise scale, confusion, signal-to-noise ratio, norm and inner-product tests",
    "1",
    _noise,
)
