"""The paired permutation test: the arms' names are exchanged within seeds."""

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT = 15
"""Seeds up to which all 2ⁿ exchanges are tried; of more, 2¹⁵ at random."""


def sign_flip_p(differences: ArrayLike, seed: int = 0) -> float:
    """Return the two-sided p value of the paired permutation test.

    If the arms are alike, exchanging their names at any seed changes nothing, so every choice of
    signs of the differences was as likely as the one that came:

        p = #{s ∈ {±1}ⁿ : |Σ sᵢ·dᵢ| ≥ |Σ dᵢ|} / 2ⁿ

    (Fisher, *The Design of Experiments*, 1935, section 21). It is exact, whatever the distribution;
    no p value is below 2/2ⁿ. Beyond `EXACT` seeds B signs are drawn and p = (1 + #)/(1 + B)
    (Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010). Where a
    difference is infinite, as a run diverged, dᵢ is replaced by its signed rank, equal ones sharing
    their mean rank (Wilcoxon, Biometrics Bulletin 1, 1945; zeros after Pratt, JASA 54, 1959).

    Args:
        differences: One a seed; ±inf where one of the two runs diverged, 0 where both did.
        seed: Seed of the NumPy generator.
    """
    d = np.asarray(differences, dtype=float)
    if d.size == 0:
        return 1.0
    if not np.isfinite(d).all():
        d = signed_ranks(d)
    observed = abs(d.sum())
    sums = np.abs(_signs(d.size, seed) @ d)
    reached = int((sums >= observed - 1e-9 * np.abs(d).sum()).sum())
    return reached / len(sums) if d.size <= EXACT else (1 + reached) / (1 + len(sums))


@lru_cache(maxsize=8)
def _signs(count: int, seed: int) -> NDArray[np.float64]:
    """All choices of so many signs, or of more than `EXACT` some at random, one a row."""
    if count <= EXACT:
        flips = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
    else:
        flips = np.random.default_rng(seed).integers(2, size=(2**EXACT, count))
    return np.asarray(1.0 - 2.0 * flips)


def signed_ranks(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of the sizes, zeros ranked among them, with the differences' signs."""
    from scipy.stats import rankdata  # takes half a second to import

    return np.asarray(np.sign(differences) * rankdata(np.abs(differences)))
