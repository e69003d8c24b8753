"""The trace of a matrix from products alone."""

from dataclasses import dataclass

import torch
from torch import Tensor

from thalweg.measure.curvature.lanczos import random_start
from thalweg.measure.curvature.operator import Operator

PRODUCTS = 30


@dataclass(frozen=True)
class Trace:
    """An estimate for each of K matrices.

    Attributes:
        values: ``(K,)``, float64.
        errors: Standard errors, ``(K,)``; 0 where the matrix is no larger than what was spent.
        products: Products with each matrix.
    """

    values: Tensor
    errors: Tensor
    products: int


def trace(operator: Operator, products: int = PRODUCTS, seed: int = 0) -> Trace:
    """Estimate the trace by Hutch++.

    tr A = tr(Qᵀ·A·Q) + mean over random g of gᵀ·(I − QQᵀ)·A·(I − QQᵀ)·g, Q being an orthonormal
    basis of A·S for random S: the first part takes the large eigenvalues exactly, and only the
    second has an error, the standard error of its mean (Meyer et al., arXiv:2010.09649).

    Args:
        operator: The matrices.
        products: A third each for A·S, A·Q and A·g; at least 6.
        seed: Of the random directions.
    """
    third = max(2, products // 3)
    K, D = operator.rows, operator.size
    before = operator.products
    exact = operator.dimension <= 2 * third
    columns = operator.dimension if exact else third
    draws = random_start(operator, seed, columns + third).view(K, -1, D)
    sketch = draws[:, :columns] if exact else operator(draws[:, :columns])
    Q = torch.linalg.qr(sketch.mT).Q.mT
    values = (Q * operator(Q)).double().sum((1, 2))
    if exact:
        return Trace(values, torch.zeros_like(values), operator.products - before)
    g = draws[:, columns:].sign()  # of variance 1, and of less variance in the estimate than normal
    g = operator.project(torch.where(g == 0, 1.0, g))
    g = g - torch.einsum("kmj,kjd->kmd", torch.einsum("kjd,kmd->kmj", Q, g), Q)
    rest = (g * operator(g)).double().sum(2)
    errors = rest.std(1) / third**0.5
    return Trace(values + rest.mean(1), errors, operator.products - before)
