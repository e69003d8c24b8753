"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.rule import Hyperparameters, Rule, Value
from thalweg.optim.second_order.matrices import as_matrices, complete_basis, is_matrix


class SOAPHyperparameters(Hyperparameters):
    """``beta2`` also is the decay rate of the preconditioner. A new basis is computed every
    ``precondition_frequency`` steps; a side longer than ``max_precond_dim`` is not rotated.
    """

    lr: float = Field(default=3e-3, gt=0)
    beta1: float = Field(default=0.95, ge=0, lt=1)
    beta2: float = Field(default=0.95, ge=0, lt=1)
    eps: float = Field(default=1e-8, ge=0)
    weight_decay: float = Field(default=1e-2, ge=0)
    precondition_frequency: int = Field(default=10, ge=1)
    max_precond_dim: int = Field(default=10000, ge=1)


class SOAP(Rule):
    """SOAP.

    For a matrix ``(out, in)`` with gradient G, m and v being kept in the basis (Q_L, Q_R):
    G' = Q_Lᵀ·G·Q_R;  m ← β₁·m + (1−β₁)·G';  v ← β₂·v + (1−β₂)·G'²;
    W ← W − η·√(1−β₂ˢ)/(1−β₁ˢ) · Q_L·(m / (√v + ε))·Q_Rᵀ;  W ← (1 − η·λ)·W;
    L ← β₂·L + (1−β₂)·G·Gᵀ;  R ← β₂·R + (1−β₂)·Gᵀ·G.

    The first gradient only sets L, R and their eigenvectors Q_L, Q_R, so s = t − 1. Every
    ``precondition_frequency`` steps one power iteration follows: Q ← qr(L·Q), columns by falling
    eigenvalue. Vectors keep the identity, which is Adam. The authors' code rotates every dimension
    of a convolution's kernel; here it is one matrix (out, in · height · width).

    After the first gradients L and R are singular, and any basis of a null space is one of
    eigenvectors. Rounding would pick another in every cohort, so a fixed one is taken at first, and
    the power iteration is that of L + √ε·λ₁·I, ε being the rounding unit and λ₁ the largest
    eigenvalue: it has the same eigenvectors.
    """

    name = "soap"
    summary = "SOAP: Adam in the eigenbasis of Shampoo's preconditioner"
    family = "second order"
    source = "Vyas et al., arXiv:2409.11321; nikhilvyas/SOAP"
    options = SOAPHyperparameters
    by_parameter = True
    capturable = False
    mixes = True

    def structure(self, h: Any) -> Hashable:
        return (h.beta1, h.beta2, h.precondition_frequency, h.max_precond_dim)

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        state = {"m": torch.zeros_like(w), "v": torch.zeros_like(w)}
        if is_matrix(w):
            W = as_matrices(w)
            for side, n in zip("LR", W.shape[1:], strict=True):
                if n <= h.max_precond_dim:
                    state[side] = w.new_zeros(len(w), n, n)
                    state[f"Q_{side}"] = torch.eye(n).to(w).repeat(len(w), 1, 1)
        return state

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        s = int(t) - 1
        if s:
            m, v = state["m"], state["v"]
            rotated = _rotate(g, state)
            m.lerp_(rotated, 1 - h.beta1)
            v.mul_(h.beta2).addcmul_(rotated, rotated, value=1 - h.beta2)
            step = _rotate_back(m / v.sqrt().add_(h.eps), state)
            rate = h.lr * ((1 - h.beta2**s) ** 0.5 / (1 - h.beta1**s))
            w.sub_(step.mul_(rate)).mul_(1 - h.lr * h.weight_decay)
        if is_matrix(w):
            _accumulate(g, state, h.beta2)
            if s == 0:
                _set_eigenbasis(g, state)
            elif s % h.precondition_frequency == 0:
                _refresh_basis(state)


def _rotate(g: Tensor, state: Mapping[str, Tensor]) -> Tensor:
    """Return Q_Lᵀ·G·Q_R, in the shape of the parameter."""
    if "Q_L" in state:
        g = (state["Q_L"].mT @ as_matrices(g)).view_as(g)
    if "Q_R" in state:
        g = (as_matrices(g) @ state["Q_R"]).view_as(g)
    return g


def _rotate_back(x: Tensor, state: Mapping[str, Tensor]) -> Tensor:
    """Return Q_L·X·Q_Rᵀ, in the shape of the parameter."""
    if "Q_L" in state:
        x = (state["Q_L"] @ as_matrices(x)).view_as(x)
    if "Q_R" in state:
        x = (as_matrices(x) @ state["Q_R"].mT).view_as(x)
    return x


def _accumulate(g: Tensor, state: Mapping[str, Tensor], beta: float) -> None:
    """Add the gradient to the averages of G·Gᵀ and Gᵀ·G."""
    G = as_matrices(g)
    if "L" in state:
        state["L"].baddbmm_(G, G.mT, beta=beta, alpha=1 - beta)
    if "R" in state:
        state["R"].baddbmm_(G.mT, G, beta=beta, alpha=1 - beta)


def _set_eigenbasis(g: Tensor, state: Mapping[str, Tensor]) -> None:
    """Set Q_L and Q_R to the eigenvectors of G·Gᵀ and Gᵀ·G, which are the singular vectors of G."""
    G = as_matrices(g)
    U, s, Vh = torch.linalg.svd(torch.nan_to_num(G, posinf=0, neginf=0), full_matrices=False)
    rounding = max(G.shape[1:]) * torch.finfo(s.dtype).eps
    in_range = s > s[:, :1] * rounding
    for side, vectors in (("L", U), ("R", Vh.mT)):
        if side in state:
            state[f"Q_{side}"].copy_(complete_basis(vectors, in_range))


def _refresh_basis(state: Mapping[str, Tensor]) -> None:
    """Follow the eigenvectors by a power iteration, and turn m and v into the new basis.

    m is rotated; of v, which no rotation acts on, only the order of its entries follows.
    """
    m, v = state["m"], state["v"]
    m.copy_(_rotate_back(m, state))
    for dim, side in ((1, "L"), (2, "R")):
        if side in state:
            Q = state[f"Q_{side}"]
            product = state[side] @ Q
            eigenvalues, order = (Q * product).sum(1).sort(descending=True)
            shift = torch.finfo(Q.dtype).eps ** 0.5 * eigenvalues[:, :1, None]
            moved = torch.addcmul(product, Q, shift)
            Q.copy_(torch.linalg.qr(moved.gather(2, order[:, None].expand_as(Q)))[0])
            V = as_matrices(v)
            V.copy_(V.gather(dim, order.unsqueeze(3 - dim).expand_as(V)))
    m.copy_(_rotate(m, state))
