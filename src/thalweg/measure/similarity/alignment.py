"""Centred kernel alignment."""

from collections.abc import Sequence

import torch
from torch import Tensor


def cka(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Return the linear centred kernel alignment of some layers' features with some others', from
    the same examples.

    CKA(X, Y) = HSIC(X, Y)/√(HSIC(X, X)·HSIC(Y, Y)), with the unbiased estimator of HSIC (Song et
    al., JMLR 13, 2012)

        HSIC = [tr(KL) + ΣK·ΣL/((n − 1)(n − 2)) − 2·1ᵀKL1/(n − 2)]/(n(n − 3)),

    K = XXᵀ and L = YYᵀ with zeros on their diagonals. It is 1 for features that differ by a
    rotation, a positive scale and a shift, and on average about 0 for independent ones, which the
    biased form is not where there are more units than examples: it may be slightly below 0.

    Source: Kornblith et al., arXiv:1905.00414; for the unbiased form Nguyen et al.,
    arXiv:2010.15327.

    Args:
        first: Features ``(n, units)`` of each layer, n ≥ 4.
        second: Features ``(n, units)`` of each layer.

    Returns:
        float64 ``(layers of the first, layers of the second)``; NaN for features that are constant.
    """
    rows, columns = ([_kernel(features) for features in each] for each in (first, second))
    sizes = [torch.stack([_hsic(K, K) for K in each]).sqrt() for each in (rows, columns)]
    both = torch.stack([torch.stack([_hsic(K, L) for L in columns]) for K in rows])
    return both / torch.outer(*sizes)


def _kernel(features: Tensor) -> Tensor:
    """Return XXᵀ of centred features, which changes nothing but the rounding, without diagonal."""
    centred = features.double() - features.double().mean(0)
    return (centred @ centred.T).fill_diagonal_(0)


def _hsic(K: Tensor, L: Tensor) -> Tensor:
    n = len(K)
    sums, others = K.sum(0), L.sum(0)
    total = sums.sum() * others.sum() / ((n - 1) * (n - 2))
    return ((K * L).sum() + total - 2 / (n - 2) * (sums @ others)) / (n * (n - 3))
