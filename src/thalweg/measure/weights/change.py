"""How far weights have come since they were initialised."""

from torch import Tensor


def change(weights: Tensor, initial: Tensor) -> dict[str, float]:
    """Return what training has made of the weights that are not 0; NaN where there are none.

    - ``flipped``: the share that has another sign than initially, of those that had one;
    - ``moved``: ‖w − w₀‖/‖w₀‖.

    Args:
        weights: Of any shape.
        initial: w₀, of the same.
    """
    kept = weights != 0
    now, before = weights[kept], initial[kept]
    signs = now.sign() * before.sign()
    return {
        "flipped": float((signs < 0).sum() / (signs != 0).sum()),
        "moved": float((now - before).norm() / before.norm()),
    }
