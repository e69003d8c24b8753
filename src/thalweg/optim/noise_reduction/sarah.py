"""Stochastic recursive gradient."""

from collections.abc import Sequence

from thalweg.cohort import Cohort, RowOptimizer
from thalweg.optim.method import Method
from thalweg.optim.noise_reduction.anchored import AnchorHyperparameters, RecursiveRows


class SARAH(Method):
    """SARAH.

    Every m steps v = ∇f(w) over all N examples; at the others v ← g_B(w) − g_B(w_prev) + v with
    both gradients over the current batch B; w ← w − η·(v + λ·w).

    Unlike SVRG's, v is biased given the past (its mean is ∇f(w) − ∇f(w_prev) + v), and its
    variance falls within an inner loop. The next loop goes on from the last iterate, where the
    paper draws one of the loop's. ``train.clip_norm`` bounds each of the batch's gradients.
    """

    name = "sarah"
    summary = "SARAH: a recursive estimate, started anew by full gradients"
    family = "noise reduction"
    source = "Nguyen et al., arXiv:1703.00102"
    options = AnchorHyperparameters
    needs = frozenset({"closure", "full pass"})
    gradients = "2; where the estimate starts anew 1 and a full pass"

    def bind(
        self, cohort: Cohort, hyperparameters: Sequence[AnchorHyperparameters]
    ) -> RowOptimizer:
        return RecursiveRows(self.options, cohort, hyperparameters)
