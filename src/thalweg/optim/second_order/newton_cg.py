"""Hessian-free optimization: Newton steps by conjugate gradients, with adaptive damping."""

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.optim.method import Method
from thalweg.optim.rule import Hyperparameters, RowsWithState
from thalweg.optim.second_order.conjugate_gradient import conjugate_gradient

SUFFICIENT_DECREASE = 1e-2
HALVINGS = 20


class NewtonCGHyperparameters(Hyperparameters):
    """``damping`` is the first λ; ``cg_tolerance`` the progress an iteration at which CG stops;
    ``curvature`` the matrix of the quadratic model.
    """

    lr: float = Field(default=1.0, gt=0)
    damping: float = Field(default=1.0, ge=0)
    cg_iterations: int = Field(default=50, ge=1)
    cg_tolerance: float = Field(default=5e-4, ge=0)
    curvature: Literal["hessian", "gauss_newton"] = "hessian"


class NewtonCG(Method):
    """Newton's method with truncated conjugate gradients.

    (H + λ·I)·d = −g, H being the curvature over the batch, solved by
    `thalweg.optim.second_order.conjugate_gradient`; w ← w + η·d.

    η is the learning rate, halved until f(w + η·d) ≤ f(w) + 0.01·η·gᵀd; a run for which 20 halvings
    do not do stays where it is. Levenberg–Marquardt damping: with the reduction ratio
    ρ = (f(w + d) − f(w)) / (gᵀd + ½·dᵀHd), λ ← 3/2·λ where ρ < 1/4 and λ ← 2/3·λ where ρ > 3/4.

    H is the Hessian itself, where directions of negative curvature occur, at which CG stops; or,
    Martens' choice, the generalized Gauss–Newton matrix, which has none: the mean over the batch of
    JᵀH_oJ, J being the Jacobian of the outputs and H_o the Hessian of the loss in them. The Hessian
    is the default because it asks for the loss alone, so that it serves closures too.
    """

    name = "newton_cg"
    summary = "Hessian-free: Newton steps by truncated CG, Levenberg-Marquardt damping"
    family = "second order"
    source = "Martens, ICML 2010; Nocedal & Wright, Numerical Optimization, section 7.1"
    options = NewtonCGHyperparameters
    needs = frozenset({"loss", "products"})
    gradients = "1, and up to cg_iterations Hessian or Gauss-Newton products"

    def beyond_closures(self, h: NewtonCGHyperparameters) -> str:
        if h.curvature == "hessian":
            return ""
        return f"curvature = {h.curvature!r}: needs the network's outputs"

    def bind(
        self, cohort: Cohort, hyperparameters: Sequence[NewtonCGHyperparameters]
    ) -> "NewtonCGRows":
        return NewtonCGRows(cohort, hyperparameters)


class NewtonCGRows(RowsWithState):
    """Newton steps on the rows of a cohort; its state is each run's damping λ."""

    def __init__(self, cohort: Cohort, hyperparameters: Sequence[NewtonCGHyperparameters]) -> None:
        super().__init__(NewtonCGHyperparameters, cohort, hyperparameters)
        self.state = {"damping": self._column([h.damping for h in hyperparameters]).squeeze(1)}

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W, g = self.cohort.W, self.cohort.G
        start, before = W.clone(), oracle.losses.unsqueeze(1)
        damping = self.state["damping"].unsqueeze(1)
        gauss_newton = self.h.curvature == "gauss_newton"
        multiply = oracle.gauss_newton if gauss_newton else oracle.product
        d, Ad = conjugate_gradient(
            lambda p, active: multiply(p, active) + damping * p,
            -g,
            self.h.cg_iterations,
            self.h.cg_tolerance,
        )
        slope = (g * d).sum(1, keepdim=True)
        model = slope + (d * (Ad - damping * d)).sum(1, keepdim=True) / 2
        W.add_(d)
        ratio = (oracle.loss().unsqueeze(1) - before) / model
        raised = torch.where(ratio >= 0.25, damping, damping * 1.5)
        damping.copy_(torch.where(ratio > 0.75, damping * (2 / 3), raised))

        step = torch.ones_like(before) * self.h.lr
        too_far = torch.ones_like(before, dtype=torch.bool)
        for _ in range(HALVINGS):
            torch.addcmul(start, d, step, out=W)
            sufficient = before + SUFFICIENT_DECREASE * step * slope
            losses = oracle.loss(active=too_far).unsqueeze(1)
            too_far = too_far & (slope < 0) & ~(losses <= sufficient)
            if not bool(too_far.any()):
                break
            step = torch.where(too_far, step / 2, step)
        else:
            torch.addcmul(start, d, torch.where(too_far, 0, step), out=W)
