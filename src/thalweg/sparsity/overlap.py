"""How alike two masks are, and how alike chance alone would make them."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.errors import InputError


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
    _check_alike(first, second)
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
    _check_alike(first, second)
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


def pairwise_overlap(
    masks: Sequence[Mapping[str, Tensor]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return `jaccard` and `chance_jaccard` of all pairs of n masks, in the order of
    ``itertools.combinations``: n(n − 1)/2 each, by matrix products.

    Raises:
        InputError: The masks are not of the same parameters.
    """
    for other in masks[1:]:
        _check_alike(masks[0], other)
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
    total = kept[:, None] + kept
    with np.errstate(invalid="ignore"):  # 0/0, where neither keeps anything
        found = shared / (total - shared)
        chance = mean / (total - mean) + total * variance / (total - mean) ** 3
    pairs = np.triu_indices(n, 1)
    return found[pairs], chance[pairs]


def _check_alike(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    shapes = [{name: tuple(mask.shape) for name, mask in m.items()} for m in (first, second)]
    if shapes[0] != shapes[1]:
        raise InputError(f"masks of {shapes[1]}: must be of the parameters {shapes[0]}")
    for name, mask in [*first.items(), *second.items()]:
        if mask.dtype != torch.bool:
            raise InputError(f"the mask of {name!r} is {mask.dtype}, but must be boolean")
