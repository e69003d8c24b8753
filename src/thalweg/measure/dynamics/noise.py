"""Noise of the minibatch gradient, from the gradients of parts of the batch.

Parts of b examples each stand for the examples: tr Σ = b·E‖g_b − ḡ‖², Σ being the covariance of an
example's gradient. Everything comes from one more pass over the batch.
"""

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.dynamics.instrument import Instrument
from thalweg.measure.dynamics.look import Look


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
    nothing = {name: torch.full_like(look.losses, torch.nan) for name in names}
    if b == 0:  # one example has no parts
        return nothing
    try:
        parts = look.group_gradients
    except InputError:
        raise
    except ValueError:  # PyTorch's for the batch statistics of a part of one example
        return nothing
    n = parts.shape[1]
    B = n * b
    products = (parts @ parts.transpose(1, 2)).double()  # all inner products, (K, n, n)
    inner = products.mean(2)  # g_bᵀḡ
    whole = inner.mean(1)  # ‖ḡ‖²
    squares = products.diagonal(dim1=1, dim2=2)
    signal = (B * whole - b * squares.mean(1)) / (B - b)
    noise = (squares.mean(1) - whole) / (1 / b - 1 / B)
    figures = (
        signal,
        noise,
        torch.where(signal > 0, noise / signal, torch.nan),
        _confusion(products),
        _gsnr(parts, b),
        (noise.clamp(min=0) / B).sqrt() / whole.sqrt(),
        (b * inner.var(1) / B).sqrt() / whole,
    )
    return dict(zip(names, figures, strict=True))


def _confusion(products: Tensor) -> Tensor:
    lengths = products.diagonal(dim1=1, dim2=2).sqrt()
    cosines = products / (lengths.unsqueeze(1) * lengths.unsqueeze(2))
    apart = ~torch.eye(products.shape[1], dtype=torch.bool, device=products.device)
    return -cosines[:, apart].amin(1)


def _gsnr(parts: Tensor, b: int) -> Tensor:
    mean = parts.mean(1)
    variance = (parts - mean.unsqueeze(1)).square_().sum(1).mul_(b / (parts.shape[1] - 1))
    # A weight that no example moves has neither signal nor noise.
    moved = variance > 0
    ratio = mean.square_().div_(variance).masked_fill_(~moved, 0)
    return ratio.sum(1) / moved.sum(1)


NOISE = Instrument(
    "noise",
    "gradient noise scale, confusion, signal-to-noise ratio, norm and inner-product tests",
    "1",
    _noise,
)
