"""Limited-memory BFGS."""

from collections.abc import Hashable, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.optim.method import Method
from thalweg.optim.rule import Hyperparameters, RowsWithState
from thalweg.optim.second_order.strong_wolfe import strong_wolfe


class LBFGSHyperparameters(Hyperparameters):
    """``history`` is the number of pairs kept; ``curvature`` the second Wolfe constant;
    ``evaluations`` the most gradients a line search asks for.
    """

    lr: float = Field(default=1.0, gt=0)
    history: int = Field(default=10, ge=1)
    line_search: Literal["strong_wolfe", "none"] = "strong_wolfe"
    curvature: float = Field(default=0.9, gt=1e-4, lt=1)
    evaluations: int = Field(default=20, ge=1)


class LBFGS(Method):
    """L-BFGS.

    d = −H·g, H from the last pairs (s, y) by the two-loop recursion with H₀ = sᵀy/yᵀy of the newest
    (for the first step min(1, 1/‖g‖₁)); w ← w + a·d. Without a line search a is the learning rate;
    `thalweg.optim.second_order.strong_wolfe` starts there.

    s = a·d, and y is the difference of two gradients over the same batch, so it is a difference of
    curvature and not of examples; without a line search this takes one more gradient. A pair with
    sᵀy ≤ 1e-10·yᵀy is left out.
    """

    name = "lbfgs"
    summary = "limited-memory BFGS; line search for the strong Wolfe conditions"
    family = "second order"
    source = "Liu & Nocedal, Mathematical Programming 45, 1989; on batches Schraudolph et al., 2007"
    options = LBFGSHyperparameters
    needs = frozenset({"closure", "loss"})
    gradients = "2, or up to 1 + evaluations with a line search"

    def structure(self, h: Any) -> Hashable:
        return (h.history, h.line_search, h.evaluations)

    def bind(self, cohort: Cohort, hyperparameters: Sequence[LBFGSHyperparameters]) -> "LBFGSRows":
        return LBFGSRows(cohort, hyperparameters)


class LBFGSRows(RowsWithState):
    """L-BFGS on the rows of a cohort; its state is the pairs, ``(K, history, D)``, the newest last.

    A place that is still empty has 1/sᵀy = 0 and so adds nothing.
    """

    def __init__(self, cohort: Cohort, hyperparameters: Sequence[LBFGSHyperparameters]) -> None:
        super().__init__(LBFGSHyperparameters, cohort, hyperparameters)
        K, D = cohort.W.shape
        self.state = {
            "s": cohort.W.new_zeros(K, self.h.history, D),
            "y": cohort.W.new_zeros(K, self.h.history, D),
            "inverse": cohort.W.new_zeros(K, self.h.history),
        }

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W = self.cohort.W
        start, g = W.clone(), self.cohort.G.clone()
        d = -self._times_inverse_hessian(g)
        length = torch.ones_like(W[:, :1]) * self.h.lr

        def evaluate(trial: Tensor, active: Tensor | None = None) -> tuple[Tensor, Tensor]:
            torch.addcmul(start, d, trial, out=W)
            losses = oracle.gradient(active=active)
            return losses.unsqueeze(1), (self.cohort.G * d).sum(1, keepdim=True)

        if self.h.line_search == "strong_wolfe":
            slope = (g * d).sum(1, keepdim=True)
            losses = oracle.losses.unsqueeze(1)
            c, evaluations = self.h.curvature, self.h.evaluations
            length = strong_wolfe(evaluate, losses, slope, length, c, evaluations)
        evaluate(length)
        self._remember(W - start, self.cohort.G - g)

    def _times_inverse_hessian(self, g: Tensor) -> Tensor:
        """Return H·g by the two-loop recursion."""
        s, y, inverse = self.state["s"], self.state["y"], self.state["inverse"]
        q, weights = g.clone(), torch.zeros_like(inverse)
        for i in reversed(range(self.h.history)):
            weights[:, i] = inverse[:, i] * (s[:, i] * q).sum(1)
            q.sub_(weights[:, i, None] * y[:, i])
        newest = inverse[:, -1:]
        first = (1 / g.abs().sum(1, keepdim=True)).clamp(max=1)
        scale = 1 / (newest * y[:, -1].square().sum(1, keepdim=True))
        q.mul_(torch.where(newest > 0, scale, first))
        for i in range(self.h.history):
            correction = inverse[:, i] * (y[:, i] * q).sum(1)
            q.add_((weights[:, i] - correction)[:, None] * s[:, i])
        return q

    def _remember(self, s: Tensor, y: Tensor) -> None:
        """Add a pair to the history of each run in which its curvature is positive."""
        product = (s * y).sum(1)
        kept = product > 1e-10 * y.square().sum(1)
        new = {"s": s, "y": y, "inverse": 1 / product}
        for name, tensor in self.state.items():
            tensor[kept] = torch.cat([tensor[kept, 1:], new[name][kept, None]], 1)
