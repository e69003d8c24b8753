"""K-FAC: the natural gradient with a Kronecker-factored Fisher matrix."""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.cohort.backend import Fisher
from thalweg.cohort.fisher_blocks import Block, find_blocks
from thalweg.optim.method import Method
from thalweg.optim.rule import Hyperparameters, RowsWithState, Value
from thalweg.optim.second_order.matrices import damped_inverse


class KFACHyperparameters(Hyperparameters):
    """``fisher`` says at which targets its gradients are taken: drawn from the model's own
    distribution, all of them weighted by it ("exact"), or the examples' own ("empirical").
    ``factor_decay`` is the factors' moving average's, ``kl_clip`` the bound κ, which a large value
    lifts. The factors are computed every ``update_every`` steps, their inverses at each of the
    first ``inverse_every`` steps, then every so many.
    """

    lr: float = Field(default=0.1, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    damping: float = Field(default=1e-3, gt=0)
    factor_decay: float = Field(default=0.95, ge=0, lt=1)
    kl_clip: float = Field(default=1e-3, gt=0)
    fisher: Fisher = "sampled"
    update_every: int = Field(default=1, ge=1)
    inverse_every: int = Field(default=10, ge=1)


class KFAC(Method):
    """K-FAC.

    For a weight matrix with its bias, W̄ = [W b], that maps ā = [a; 1] to W̄·ā, with gradient G and
    δ the gradient in W̄·ā of an example's loss:

        A ← ε·A + (1−ε)·E[ā·āᵀ];  S ← ε·S + (1−ε)·E[Σ δ·δᵀ], with ε = min(1 − 1/k, factor_decay)
        at the k-th update (`thalweg.cohort.kronecker`);
        U = (S + √λ/π·I)⁻¹ · G · (A + π·√λ·I)⁻¹, with π² = (tr A / dim A) / (tr S / dim S);
        D = ν·U, with ν = min(1, √(κ / (η²·Σ ⟨U, G⟩))), summed over all such matrices.

    M ← μ·M + D + λ_w·W;  W ← W − η·M.  η²·⟨U, G⟩ is about twice the divergence of the model's
    distribution before the step from that after it, which κ so bounds; where it binds, the step
    does not depend on η.

    The matrices are those of ``nn.Linear``, of ungrouped ``nn.Conv2d``, whose positions are pixels,
    and of one-way ``nn.RNN`` without dropout, whose positions are steps; positions are taken as
    independent of each other. All other parameters (norms, embeddings, plain ones), and weights
    that are used otherwise than by their layer's own call, have D = G.

    Damping is fixed, and step and momentum are those of SGD, as is usual in practice; the papers
    adapt them by a quadratic model.
    """

    name = "kfac"
    summary = "K-FAC: natural gradient, a Kronecker product for each layer's Fisher matrix"
    family = "second order"
    source = (
        "Martens & Grosse, arXiv:1503.05671; Grosse & Martens, arXiv:1602.01407; Martens, Ba & "
        "Johnson, ICLR 2018; kl_clip Ba, Grosse & Martens, ICLR 2017"
    )
    options = KFACHyperparameters
    needs = frozenset({"model", "shapes"})
    gradients = "1, and every update_every steps 1 more, or one an output for the exact Fisher"

    def bind(self, cohort: Cohort, hyperparameters: Sequence[KFACHyperparameters]) -> "KFACRows":
        return KFACRows(cohort, hyperparameters)


class KFACRows(RowsWithState):
    """K-FAC on the rows of a cohort; its state is momentum, factors and their damped inverses."""

    def __init__(self, cohort: Cohort, hyperparameters: Sequence[KFACHyperparameters]) -> None:
        super().__init__(KFACHyperparameters, cohort, hyperparameters)
        self._blocks = find_blocks(cohort.module)
        self.state = {"momentum": torch.zeros_like(cohort.W)}
        for name, block in self._blocks.items():
            for side, n in (("A", block.inputs), ("S", block.outputs)):
                for kind in (side, f"{side}_inverse"):
                    self.state[f"{name}/{kind}"] = cohort.W.new_zeros(cohort.rows, n, n)

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W, h, t = self.cohort.W, self.h, self._step
        if (t - 1) % h.update_every == 0:
            self._update_factors(oracle, (t - 1) // h.update_every + 1)
        if t <= h.inverse_every or t % h.inverse_every == 0:
            for name in self._blocks:
                self._invert(name)
        momentum = self.state["momentum"]
        momentum.mul_(h.momentum).add_(self._direction()).add_(h.weight_decay * W)
        W.sub_(h.lr * momentum)

    def _update_factors(self, oracle: Oracle, k: int) -> None:
        share = 1 - self.h.factor_decay
        if isinstance(share, Tensor):
            share = share.clamp(min=1 / k)[:, :, None]
        else:
            share = max(share, 1 / k)
        for name, factors in oracle.fisher_factors(self.h.fisher).items():
            for side, factor in zip("AS", factors, strict=True):
                self.state[f"{name}/{side}"].lerp_(factor, share)

    def _invert(self, name: str) -> None:
        A, S = self.state[f"{name}/A"], self.state[f"{name}/S"]
        a, s = _mean_eigenvalue(A), _mean_eigenvalue(S)
        pi = torch.where((a > 0) & (s > 0), (a / s).sqrt(), 1)
        root = torch.ones_like(pi) * _deepened(self.h.damping) ** 0.5
        self.state[f"{name}/A_inverse"].copy_(damped_inverse(A, pi * root))
        self.state[f"{name}/S_inverse"].copy_(damped_inverse(S, root / pi))

    def _direction(self) -> Tensor:
        """Return D, 0 outside the mask."""
        D = self.cohort.G.clone()
        gradients, views = (self.cohort.layout.views(matrix) for matrix in (self.cohort.G, D))
        found, products = {}, torch.zeros_like(D[:, :1])
        for name, block in self._blocks.items():
            G = _matrix(gradients, block)
            U = self.state[f"{name}/S_inverse"] @ G @ self.state[f"{name}/A_inverse"]
            met = _mean_eigenvalue(self.state[f"{name}/A"]) > 0
            products += torch.where(met, U * G, 0).sum((1, 2))[:, None]
            found[name] = (U, G, met)
        nu = (self.h.kl_clip / (self.h.lr**2 * products)).sqrt().clamp(max=1)[:, :, None]
        for name, block in self._blocks.items():
            U, G, met = found[name]
            step = torch.where(met, nu * U, G)
            if block.bias is not None:
                views[block.bias].copy_(step[:, :, -1])
                step = step[:, :, :-1]
            views[name].copy_(step.reshape(views[name].shape))
        return self.cohort.mask_(D)


def _mean_eigenvalue(A: Tensor) -> Tensor:
    """Return tr A / dim A, ``(K, 1, 1)``."""
    return A.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]


def _deepened(value: Value) -> Value:
    """Return a column ``(K, 1)`` as ``(K, 1, 1)``, a number as it is."""
    return value[:, :, None] if isinstance(value, Tensor) else value


def _matrix(views: dict[str, Tensor], block: Block) -> Tensor:
    """Return a weight with its bias as W̄, ``(K, outputs, inputs)``."""
    W = views[block.weight].flatten(2)
    return W if block.bias is None else torch.cat([W, views[block.bias][:, :, None]], 2)
