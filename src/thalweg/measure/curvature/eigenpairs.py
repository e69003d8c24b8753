"""Eigenvalues at the ends of a spectrum, each with its residual."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.curvature.lanczos import Tridiagonal, lanczos, random_start
from thalweg.measure.curvature.operator import Operator

End = Literal["largest", "smallest"]

MOST_PRODUCTS = 300
"""Products after which a solver gives up and says so."""


@dataclass(frozen=True)
class Eigenpairs:
    """k eigenpairs of each of K matrices, from the end of the spectrum inwards.

    Attributes:
        values: ``(K, k)``, float64.
        vectors: ``(K, k, D)``, of norm 1; the entry that is largest in magnitude is positive.
        residuals: ‖A·v − λ·v‖ by the Lanczos relation, ``(K, k)``, float64. An eigenvalue lies
            within it of the value.
        converged: Whether the residual is at most the tolerance times |λ|, ``(K, k)``.
        products: Products with each matrix.
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor
    converged: Tensor
    products: int


def eigenpairs(
    operator: Operator,
    k: int,
    end: End = "largest",
    tolerance: float = 1e-3,
    products: int = MOST_PRODUCTS,
    seed: int = 0,
    start: Tensor | None = None,
) -> Eigenpairs:
    """Return the k algebraically largest or smallest eigenvalues, by Lanczos.

    Args:
        operator: The matrices.
        k: How many.
        end: Of the spectrum.
        tolerance: Relative residual at which an eigenpair has converged; all k must.
        products: At most so many; what has not converged by then is flagged.
        seed: Of the start vector.
        start: Start vectors ``(K, D)``, such as the sum of the eigenvectors found a few training
            steps before; random without.

    Raises:
        InputError: The matrix has fewer than k eigenvalues, or its products are not finite.
    """
    if not 1 <= k <= operator.dimension:
        raise InputError(f"top = {k}: must be from 1 to the {operator.dimension} weights there are")
    if start is None:
        begin = random_start(operator, seed)
    else:
        begin = operator.project(start.to(operator.like).unsqueeze(1)).squeeze(1)
    before = operator.products
    found: Tridiagonal | None = None
    for found in lanczos(operator, begin, max(products, k), seed):
        if not found.diagonal.isfinite().all():
            raise InputError("a product with the curvature matrix is not finite")
        if found.steps >= k and _converged(found, k, end, tolerance).all():
            break
    assert found is not None
    values, small, residuals = found.eigen()
    chosen = _order(values, k, end)
    vectors = torch.einsum("rjk,rjd->rkd", small[..., chosen].to(found.basis), found.basis)
    return Eigenpairs(
        values=values[:, chosen],
        vectors=_canonical(vectors),
        residuals=residuals[:, chosen],
        converged=_converged(found, k, end, tolerance),
        products=operator.products - before,
    )


def _order(values: Tensor, k: int, end: End) -> Tensor:
    order = torch.arange(values.shape[1], device=values.device)
    return order.flip(0)[:k] if end == "largest" else order[:k]


def _converged(found: Tridiagonal, k: int, end: End, tolerance: float) -> Tensor:
    values, _, residuals = found.eigen()
    chosen = _order(values, k, end)
    # An eigenvalue of 0 converges at what rounding leaves of the largest.
    floor = torch.finfo(found.basis.dtype).eps * values.abs().amax(1, keepdim=True)
    return residuals[:, chosen] <= (tolerance * values[:, chosen].abs()).maximum(floor)


def _canonical(vectors: Tensor) -> Tensor:
    vectors = vectors / vectors.norm(dim=-1, keepdim=True)
    largest = vectors.gather(-1, vectors.abs().argmax(-1, keepdim=True))
    return vectors * largest.sign()
