"""Parameters as stacks of matrices ``(K, out, in)``, and decompositions of such stacks."""

import torch
from torch import Tensor

from thalweg.randomness import generator


def is_matrix(w: Tensor) -> bool:
    """Return whether a parameter ``(K, *shape)`` has two or more dimensions beside the runs."""
    return w.ndim > 2


def as_matrices(w: Tensor) -> Tensor:
    """Return a parameter ``(K, out, ...)`` as K matrices ``(K, out, in)``.

    A convolution's kernel (out, in, height, width) becomes (out, in · height · width).
    """
    return w.flatten(2)


def eigendecomposition(A: Tensor) -> tuple[Tensor, Tensor]:
    """Return ascending eigenvalues ``(K, n)`` and eigenvectors ``(K, n, n)`` of symmetric matrices.

    A matrix that is not finite counts as the identity: LAPACK would refuse it and with it the
    other runs.
    """
    finite = torch.isfinite(A).all(-1).all(-1)[:, None, None]
    identity = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    eigenvalues, eigenvectors = torch.linalg.eigh(torch.where(finite, A, identity))
    return eigenvalues, eigenvectors


def damped_inverse(A: Tensor, damping: Tensor) -> Tensor:
    """Return (A + damping·I)⁻¹ of positive semidefinite matrices ``(K, n, n)``.

    Double precision keeps a damped matrix definite. One that is not, or not finite, counts as the
    identity: LAPACK would refuse it and with it the other runs.

    Args:
        A: The matrices.
        damping: Positive, ``(K, 1, 1)``.
    """
    identity = torch.eye(A.shape[-1], dtype=torch.float64, device=A.device)
    L, failed = torch.linalg.cholesky_ex(A.double() + damping.double() * identity)
    good = (failed == 0) & torch.isfinite(L).all(-1).all(-1)
    L = torch.where(good[:, None, None], L, identity)
    # Of large matrices several times as fast as cholesky_inverse.
    return torch.cholesky_solve(identity.expand_as(L), L).to(A.dtype)


def complete_basis(vectors: Tensor, wanted: Tensor) -> Tensor:
    """Return orthonormal bases ``(K, n, n)`` that begin with given orthonormal vectors, to a sign.

    The others span the complement of the wanted ones. They are fixed random directions made
    orthogonal, so that they are as well determined as the given vectors are.

    Args:
        vectors: ``(K, n, k)``, one a column, k at most n.
        wanted: Which of them to keep, ``(K, k)``; the others' places are filled too.
    """
    n, k = vectors.shape[1:]
    fixed = torch.randn(n, n, generator=generator(0, "basis"), dtype=torch.float64).to(vectors)
    kept = vectors * wanted[:, None]
    basis = fixed - kept @ (kept.mT @ fixed)
    basis[:, :, :k] = torch.where(wanted[:, None], vectors, basis[:, :, :k])
    found: Tensor = torch.linalg.qr(basis)[0]
    return found
