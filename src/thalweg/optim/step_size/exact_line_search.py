"""Steepest descent with the exact minimising step."""

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.optim.method import Method
from thalweg.optim.rule import Hyperparameters, RowsWithState

EVALUATIONS = 30
INNER = 0.1
"""A trial keeps this share of the bracket away from its ends."""


class ExactLineSearchHyperparameters(Hyperparameters):
    """``lr`` is tried first where the curvature is not positive. The search ends where the slope
    along the line has fallen to ``tolerance`` times that at its start.
    """

    lr: float = Field(default=1.0, gt=0)
    tolerance: float = Field(default=1e-3, gt=0, lt=1)


class ExactLineSearch(Method):
    """Steepest descent to the first minimum along the gradient: w ← w − η·g with
    φ'(η) = 0 for φ(η) = L(w − η·g).

    The first trial is Newton's, η = gᵀg / gᵀHg, which is exact on a quadratic: there a step costs
    one Hessian product and one gradient more. Elsewhere a bracket is closed in on by the secant of
    the slopes at its ends (false position), or halved where the loss is above L(w), for 30
    gradients at most; then its lower end is taken. Meant for full batches: with minibatches each
    step fits its batch. A schedule multiplies only ``lr``.
    """

    name = "exact_line_search"
    summary = "steepest descent with the exact minimising step, for full batches"
    family = "step size"
    source = "Cauchy, C. R. Acad. Sci. 25 (1847); Nocedal & Wright, Numerical Optimization, ch. 3"
    options = ExactLineSearchHyperparameters
    needs = frozenset({"closure", "loss", "products"})
    gradients = "2 to 31, and a Hessian product"

    def bind(
        self, cohort: Cohort, hyperparameters: Sequence[ExactLineSearchHyperparameters]
    ) -> RowOptimizer:
        return ExactLineSearchRows(self.options, cohort, hyperparameters)


class ExactLineSearchRows(RowsWithState):
    """The search bound to the rows of a cohort. Rows that have finished stay."""

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        W, G = self.cohort.W, self.cohort.G
        iterate, g, start = W.clone(), G.clone(), oracle.losses.unsqueeze(1)
        squared = _dot(g, g)
        searching = squared > 0
        curvature = _dot(g, oracle.product(g, searching))
        eta = torch.where(curvature > 0, squared / curvature, self.h.lr)
        # The bracket: φ falls at its lower end, and has risen by its upper one.
        lower, upper = torch.zeros_like(eta), torch.full_like(eta, torch.inf)
        slope_lower, slope_upper = -squared, torch.full_like(eta, torch.nan)
        for _ in range(EVALUATIONS):
            torch.sub(iterate, eta * g, out=W)
            risen = ~(oracle.gradient(active=searching).unsqueeze(1) <= start)
            slope = -_dot(G, g)
            flat = ~risen & (slope.abs() <= self.h.tolerance * squared)
            searching = searching & ~flat
            if not bool(searching.any()):
                return
            beyond = risen | (slope > 0)
            upper = torch.where(beyond, eta, upper)
            slope_upper = torch.where(beyond, torch.where(risen, torch.nan, slope), slope_upper)
            lower = torch.where(beyond, lower, eta)
            slope_lower = torch.where(beyond, slope_lower, slope)
            trial = _trial(lower, upper, slope_lower, slope_upper)
            eta = torch.where(searching, trial, eta)
        torch.sub(iterate, torch.where(searching, lower, eta) * g, out=W)


def _trial(lower: Tensor, upper: Tensor, slope_lower: Tensor, slope_upper: Tensor) -> Tensor:
    """Return the next step size: the secant's, kept inside the bracket; its middle where the upper
    slope says nothing; twice the lower end where there is no upper one.
    """
    share = (slope_lower / (slope_lower - slope_upper)).clamp(INNER, 1 - INNER)
    share = torch.where(slope_upper.isnan(), 0.5, share)
    return torch.where(upper.isinf(), 2 * lower, lower + share * (upper - lower))


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Return the inner product of each row, ``(K, 1)``."""
    return (x * y).sum(1, keepdim=True)
