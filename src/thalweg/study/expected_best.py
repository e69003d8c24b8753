"""How good a search of a given size would have been."""

from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray


def expected_best(figures: ArrayLike, higher_is_better: bool) -> NDArray[np.float64]:
    """Return the expected best figure of n points out of N, for n = 1 … N.

    n of the N points are drawn without replacement. With the figures in order, v(1) the worst,

        E[best of n] = Σ_i C(i-1, n-1)/C(N, n) · v(i),

    as C(i-1, n-1) of the C(N, n) subsets have v(i) as their best. This is the unbiased form of the
    expected validation performance of Dodge et al. (arXiv:1909.03004), whose draws are with
    replacement; see Tang et al. (arXiv:2004.13705) for the bias of those.

    Args:
        figures: One a point; ±inf for a point that diverged. The expectation is infinite for every
            n at which a draw may consist of such points alone.
        higher_is_better: True for an accuracy, False for a loss.

    Raises:
        ValueError: There are no figures, or one is NaN.
    """
    x = np.sort(np.asarray(figures, dtype=float).ravel())
    if x.size == 0 or np.isnan(x).any():
        raise ValueError("figures must be given, and none be NaN")
    ordered = (x if higher_is_better else x[::-1]).tolist()
    total = len(ordered)
    return np.array(
        [
            sum(
                comb(i, n - 1) / comb(total, n) * value
                for i, value in enumerate(ordered)
                if i >= n - 1
            )
            for n in range(1, total + 1)
        ]
    )
