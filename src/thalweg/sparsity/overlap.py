"""How alike two masks are, and how alike chance alone would make them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.sparsity.masks import check_alike


def jaccard(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Return the Jaccard index |A ∩ B| / |A ∪ B| of the weights that two masks keep.

    Args:
        first: Boolean tensors by parameter name.
        second: Of the same names and shapes.

    Returns:
        From 0, nothing shared, to 1, equal; NaN if neither keeps anything.

    Raises:
        InputError: The masks are not of the same parameters.
    """
    check_alike(first, second)
    shared = sum(int((mask & second[name]).sum()) for name, mask in first.items())
    either = sum(int((mask | second[name]).sum()) for name, mask in first.items())
    return shared / either if either else float("nan")


def chance_jaccard(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Return the Jaccard index to be expected of two masks that keep as many weights of each
    parameter as these, drawn independently and uniformly.

    Of a parameter of N weights, of which the masks keep a and b, the number kept by both is
    hypergeometric, with mean ab/N and variance ab(N − a)(N − b) / (N²(N − 1)). With μ and σ² their
    sums over the parameters and S = Σ(a + b), the index I/(S − I) is expanded to second order:

        E[J] ≈ μ/(S − μ) + S·σ²/(S − μ)³.

    Args:
        first: Boolean tensors by parameter name.
        second: Of the same names and shapes.

    Raises:
        InputError: The masks are not of the same parameters.
    """
    check_alike(first, second)
    mean = variance = total = 0.0
    for name, mask in first.items():
        size, a, b = mask.numel(), int(mask.sum()), int(second[name].sum())
        total += a + b
        if size:
            mean += a * b / size
        if size > 1:
            variance += a * b * (size - a) * (size - b) / (size**2 * (size - 1))
    if not total:
        return float("nan")
    return mean / (total - mean) + total * variance / (total - mean) ** 3


def hamming(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Return the Hamming distance |A Δ B|/N of two masks: the share of all N weights of their
    parameters that one keeps and the other does not; NaN for no weights.

    Args:
        first: Boolean tensors by parameter name.
        second: Of the same names and shapes.

    Raises:
        InputError: The masks are not of the same parameters.
    """
    check_alike(first, second)
    size = sum(mask.numel() for mask in first.values())
    differ = sum(int((mask ^ second[name]).sum()) for name, mask in first.items())
    return differ / size if size else float("nan")


def chance_hamming(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> float:
    """Return the Hamming distance to be expected of two masks that keep as many weights of each
    parameter as these, drawn independently and uniformly: Σ(a + b − 2ab/N_p)/N over the parameters
    of N_p weights, of which the masks keep a and b.

    Args:
        first: Boolean tensors by parameter name.
        second: Of the same names and shapes.

    Raises:
        InputError: The masks are not of the same parameters.
    """
    check_alike(first, second)
    size = sum(mask.numel() for mask in first.values())
    differ = 0.0
    for name, mask in first.items():
        a, b = int(mask.sum()), int(second[name].sum())
        differ += a + b - (2 * a * b / mask.numel() if a else 0)
    return differ / size if size else float("nan")


@dataclass(frozen=True)
class Overlaps:
    """How alike pairs of masks are, one figure a pair.

    Attributes:
        jaccard: See `jaccard`.
        chance_jaccard: See `chance_jaccard`.
        hamming: See `hamming`.
        chance_hamming: See `chance_hamming`.
    """

    jaccard: NDArray[np.float64]
    chance_jaccard: NDArray[np.float64]
    hamming: NDArray[np.float64]
    chance_hamming: NDArray[np.float64]


def pairwise_overlap(masks: Sequence[Mapping[str, Tensor]]) -> Overlaps:
    """Return the figures of all pairs of n masks, in the order of ``itertools.combinations``:
    n(n − 1)/2 each, by matrix products.

    Raises:
        InputError: The masks are not of the same parameters.
    """
    for other in masks[1:]:
        check_alike(masks[0], other)
    n = len(masks)
    shared, mean, variance = (np.zeros((n, n)) for _ in range(3))
    kept = np.zeros(n)
    for name, mask in masks[0].items():
        rows = torch.stack([each[name].flatten() for each in masks]).double().numpy()
        size, counts = mask.numel(), rows.sum(axis=1)
        kept += counts
        shared += rows @ rows.T
        if size:
            mean += np.outer(counts, counts) / size
        if size > 1:
            spread = counts * (size - counts)
            variance += np.outer(spread, spread) / (size**2 * (size - 1))
    weights = sum(mask.numel() for mask in masks[0].values())
    total = kept[:, None] + kept
    pairs = np.triu_indices(n, 1)
    with np.errstate(invalid="ignore"):  # 0/0, where neither keeps anything
        return Overlaps(
            *(
                each[pairs]
                for each in (
                    shared / (total - shared),
                    mean / (total - mean) + total * variance / (total - mean) ** 3,
                    (total - 2 * shared) / weights,
                    (total - 2 * mean) / weights,
                )
            )
        )
