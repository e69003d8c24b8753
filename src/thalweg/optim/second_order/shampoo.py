"""Shampoo: a preconditioner for each side of a matrix."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from thalweg.optim.rule import Hyperparameters, Rule, Value, add_scaled_, add_weight_decay
from thalweg.optim.second_order.matrices import as_matrices, eigendecomposition, is_matrix


class ShampooHyperparameters(Hyperparameters):
    """``eps`` is where the preconditioners start. Their roots are computed at each of the first
    ``precondition_frequency`` steps, then every so many; a side longer than ``max_precond_dim`` has
    none.
    """

    lr: float = Field(default=0.01, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    eps: float = Field(default=1e-4, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    precondition_frequency: int = Field(default=10, ge=1)
    max_precond_dim: int = Field(default=10000, ge=1)


class Shampoo(Rule):
    """Shampoo.

    For a matrix with gradient G, λ·W added: L ← L + G·Gᵀ;  R ← R + Gᵀ·G;  M ← μ·M + G;
    W ← W − η · L^(−1/4)·M·R^(−1/4), with L and R starting at ε·I.

    For a vector v ← v + g², from ε;  m ← μ·m + g;  w ← w − η·m/√v, which is Shampoo with a diagonal
    preconditioner, or Adagrad. A convolution's kernel is one matrix (out, in · height · width).
    """

    name = "shampoo"
    summary = "Shampoo: inverse fourth roots of both sides' second moments"
    family = "second order"
    source = "Gupta, Koren & Singer, arXiv:1802.09568"
    options = ShampooHyperparameters
    by_parameter = True
    capturable = False
    mixes = True

    def structure(self, h: Any) -> Hashable:
        return (h.precondition_frequency, h.max_precond_dim)

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        state = {"momentum": torch.zeros_like(w)}
        if not is_matrix(w):
            state["v"] = torch.zeros_like(w)
            return state
        for side, n in zip("LR", as_matrices(w).shape[1:], strict=True):
            if n <= h.max_precond_dim:
                state[side] = w.new_zeros(len(w), n, n)
                state[f"{side}_root"] = w.new_zeros(len(w), n, n)
        return state

    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        g = add_weight_decay(g, w, h.weight_decay)
        momentum = state["momentum"]
        momentum.mul_(h.momentum).add_(g)
        if is_matrix(w):
            # At first L and R grow many times over from one step to the next.
            due = t <= h.precondition_frequency or int(t) % h.precondition_frequency == 0
            step = self._preconditioned(momentum, g, state, h.eps, bool(due))
        else:
            v = state["v"].addcmul_(g, g)
            step = momentum / (v + h.eps).sqrt()
        add_scaled_(w, step, -h.lr)

    def _preconditioned(
        self, momentum: Tensor, g: Tensor, state: Mapping[str, Tensor], eps: Value, due: bool
    ) -> Tensor:
        """Return L^(−1/4)·M·R^(−1/4), the roots computed anew where that is due."""
        G, step = as_matrices(g), as_matrices(momentum)
        if "L" in state:
            state["L"].baddbmm_(G, G.mT)
            if due:
                state["L_root"].copy_(_inverse_fourth_root(state["L"], eps))
            step = state["L_root"] @ step
        if "R" in state:
            state["R"].baddbmm_(G.mT, G)
            if due:
                state["R_root"].copy_(_inverse_fourth_root(state["R"], eps))
            step = step @ state["R_root"]
        return step.view_as(momentum)


def _inverse_fourth_root(A: Tensor, eps: Value) -> Tensor:
    """Return (A + ε·I)^(−1/4)."""
    shift = eps.flatten()[:, None] if isinstance(eps, Tensor) else eps
    eigenvalues, Q = eigendecomposition(A)
    return (Q * (eigenvalues.clamp(min=0) + shift).pow(-0.25)[:, None]) @ Q.mT
