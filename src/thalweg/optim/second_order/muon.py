"""Muon: momentum made orthogonal."""

from collections.abc import Hashable, Mapping
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.adaptive.adam import adam_step_
from thalweg.optim.rule import Hyperparameters, Rule, Value
from thalweg.optim.second_order.matrices import as_matrices, is_matrix

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
SMALLEST_NORM = 1e-7


class MuonHyperparameters(Hyperparameters):
    """``momentum``, ``nesterov`` and ``ns_steps`` are about the matrices, ``beta1``, ``beta2`` and
    ``eps`` about AdamW on the vectors.
    """

    lr: float = Field(default=1e-3, gt=0)
    momentum: float = Field(default=0.95, ge=0, lt=1)
    nesterov: bool = True
    ns_steps: int = Field(default=5, ge=1, lt=100)
    adjust_lr: Literal["match_rms_adamw", "original"] = "match_rms_adamw"
    weight_decay: float = Field(default=0.1, ge=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.999, ge=0, lt=1)
    eps: float = Field(default=1e-8, ge=0)


class Muon(Rule):
    """Muon on the matrices, AdamW with the same learning rate on the vectors.

    M ← μ·M + (1−μ)·G; D = (1−μ)·G + μ·M with Nesterov, else M;
    W ← (1 − η·λ)·W − η·c·NS(D), NS being `orthogonalized`.

    For a matrix (out, in), c = 0.2·√max(out, in), by which the root mean square of a step is that
    of AdamW's, or ("original") c = √max(1, out/in). A convolution's kernel is one matrix
    (out, in · height · width). Every matrix is orthogonalised, that of the last layer too.
    """

    name = "muon"
    summary = "momentum made orthogonal by Newton-Schulz steps; AdamW on the vectors"
    family = "second order"
    source = "Jordan et al., kellerjordan.github.io/posts/muon, 2024; torch.optim.Muon"
    options = MuonHyperparameters
    by_parameter = True

    def structure(self, h: Any) -> Hashable:
        return (h.nesterov, h.ns_steps, h.adjust_lr, h.beta1, h.beta2)

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        names = ("momentum",) if is_matrix(w) else ("m", "v")
        return {name: torch.zeros_like(w) for name in names}

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        w.mul_(1 - h.lr * h.weight_decay)
        if not is_matrix(w):
            adam_step_(w, g, state, h, t)
            return
        momentum = state["momentum"]
        momentum.lerp_(g, 1 - h.momentum)
        D = as_matrices(g.lerp(momentum, h.momentum) if h.nesterov else momentum)
        rows, columns = D.shape[1:]
        if h.adjust_lr == "original":
            factor = max(1, rows / columns) ** 0.5
        else:
            factor = 0.2 * max(rows, columns) ** 0.5
        w.sub_(orthogonalized(D, h.ns_steps).view_as(w) * (h.lr * factor))


def orthogonalized(D: Tensor, steps: int) -> Tensor:
    """Return the matrices ``(K, n, m)`` with their singular values brought near 1.

    X₀ = D/‖D‖, the norm being Frobenius'; X ← a·X + (b·A + c·A²)·X with A = X·Xᵀ. The five steps
    and the coefficients are chosen for speed: the singular values end between 0.7 and 1.2, except
    those that began below about 1e-3. Computed in the weights' precision; the published code has
    bfloat16.
    """
    a, b, c = COEFFICIENTS
    X = D.mT if D.shape[1] > D.shape[2] else D
    X = X / torch.linalg.matrix_norm(X, keepdim=True).clamp(min=SMALLEST_NORM)
    for _ in range(steps):
        A = X @ X.mT
        X = torch.baddbmm(X, torch.baddbmm(A, A, A, beta=b, alpha=c), X, beta=a)
    return (X.mT if D.shape[1] > D.shape[2] else X).contiguous()
