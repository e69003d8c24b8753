"""The Lanczos iteration with full reorthogonalisation, for many matrices at once."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from thalweg.measure.curvature.operator import Operator
from thalweg.randomness import by_seed


@dataclass(frozen=True)
class Tridiagonal:
    """What j steps have found of each matrix A: Qᵀ·A·Q = T.

    Attributes:
        basis: Q, orthonormal rows ``(R, j, D)``.
        diagonal: α of T, float64 ``(R, j)``.
        beside: β of T, float64 ``(R, j)``; the last is the norm of what is left, by which the
            residual of an eigenpair (θ, s) of T is |β_j·s_j|.
    """

    basis: Tensor
    diagonal: Tensor
    beside: Tensor

    @property
    def steps(self) -> int:
        return self.diagonal.shape[1]

    def eigen(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the Ritz values, ascending ``(R, j)``, the eigenvectors of T ``(R, j, j)`` in
        columns, and the residuals ``(R, j)``.
        """
        T = torch.diag_embed(self.diagonal)
        if self.steps > 1:
            sides = self.beside[:, :-1]
            T = T + torch.diag_embed(sides, 1) + torch.diag_embed(sides, -1)
        values, vectors = torch.linalg.eigh(T)
        residuals = (self.beside[:, -1:] * vectors[:, -1]).abs()
        return values, vectors, residuals


def lanczos(operator: Operator, start: Tensor, steps: int, seed: int = 0) -> Iterator[Tridiagonal]:
    """Yield what is known after each step; one product a step.

    A·q_j = β_{j-1}·q_{j-1} + α_j·q_j + β_j·q_{j+1}, every new q made orthogonal to all before it
    twice, so that rounding brings no copies of eigenvalues (Paige, 1972; Parlett, The Symmetric
    Eigenvalue Problem, 1998). Where the Krylov space is exhausted, β_j = 0 and a random direction
    orthogonal to it goes on.

    Args:
        operator: The matrices, K of them.
        start: First directions ``(R, D)``, R = K, or R = K·m for m starts a matrix.
        steps: At most so many; no more than the operator's dimension.
        seed: Of the random directions.
    """
    R, D = start.shape
    several = R // operator.rows
    q = start / start.norm(dim=1, keepdim=True)
    kept = start.new_empty(R, 16, D)
    alphas: list[Tensor] = []
    betas: list[Tensor] = []
    for step in range(min(steps, operator.dimension)):
        if step == kept.shape[1]:
            kept = torch.cat([kept, torch.empty_like(kept)], 1)
        kept[:, step] = q
        basis = kept[:, : step + 1]
        w = operator(q.view(operator.rows, several, D)).reshape(R, D)
        alphas.append((w.double() * q.double()).sum(1))
        size = w.norm(dim=1)
        for _ in range(2):
            w = _orthogonal(w, basis)
        beta = w.norm(dim=1)
        ended = beta <= 10 * torch.finfo(w.dtype).eps * size
        if ended.any():
            draw = by_seed([seed], lambda g: torch.randn(D, generator=g), "probe", 1, step).to(w)
            other = operator.project(draw.expand(operator.rows, 1, D))
            other = other.expand(-1, several, -1).reshape(R, D)
            for _ in range(2):
                other = _orthogonal(other, basis)
            w = torch.where(ended.unsqueeze(1), other, w)
        betas.append(torch.where(ended, 0.0, beta.double()))
        yield Tridiagonal(basis, torch.stack(alphas, 1), torch.stack(betas, 1))
        q = w / w.norm(dim=1, keepdim=True).clamp_min(torch.finfo(w.dtype).tiny)


def random_start(operator: Operator, seed: int, several: int = 1) -> Tensor:
    """Return normal directions within the support, ``(K·several, D)``: the same for every matrix,
    so that figures of two networks differ by the networks alone.
    """
    draws = [
        by_seed([seed], lambda g: torch.randn(operator.size, generator=g), "probe", 0, m)
        for m in range(several)
    ]
    block = torch.stack(draws).to(operator.like).expand(operator.rows, -1, -1)
    return operator.project(block).reshape(-1, operator.size)


def _orthogonal(w: Tensor, basis: Tensor) -> Tensor:
    return w - torch.einsum("rj,rjd->rd", torch.einsum("rjd,rd->rj", basis, w), basis)
