"""Stochastic variance-reduced gradient."""

from collections.abc import Sequence

from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.optim.method import Method
from thalweg.optim.noise_reduction.anchored import AnchorHyperparameters, RowsWithFullPasses


class SVRGRows(RowsWithFullPasses):
    def correct(self, oracle: Oracle) -> Tensor:
        g = self.cohort.G.clone()
        return g.sub_(self.gradient_at(self.state["point"], oracle)).add_(self.state["estimate"])


class SVRG(Method):
    """SVRG.

    Every m steps the iterate becomes the anchor a, and μ = ∇f(a) is computed over all N examples.
    v = g_B(w) − g_B(a) + μ, both gradients over the current batch B; w ← w − η·(v + λ·w).

    Over a uniformly drawn batch v is unbiased; its variance is at most that of
    g_B(w) − g_B(a), which vanishes as both points near the optimum. The anchor is the last iterate
    (the paper's option I). Batches come from the epoch's permutation. ``train.clip_norm`` bounds
    g_B(w) and g_B(a) each and thereby biases v.
    """

    name = "svrg"
    summary = "SVRG: the batch's gradient corrected by that at an anchor"
    family = "noise reduction"
    source = "Johnson & Zhang, NeurIPS 2013"
    options = AnchorHyperparameters
    needs = frozenset({"closure", "full pass"})
    gradients = "2; at an anchor 1 and a full pass"

    def bind(
        self, cohort: Cohort, hyperparameters: Sequence[AnchorHyperparameters]
    ) -> RowOptimizer:
        return SVRGRows(self.options, cohort, hyperparameters)
