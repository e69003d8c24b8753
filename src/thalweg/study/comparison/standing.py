"""How sure it is that the best arm of a panel is the best."""

from dataclasses import dataclass

from thalweg.store.results import StudyResults
from thalweg.study.comparison.arms import compare_panel
from thalweg.study.comparison.pair import PairComparison
from thalweg.study.panels import Panel


@dataclass(frozen=True)
class Standing:
    """The best arm of a panel beside the others.

    Attributes:
        metric: Test accuracy, or test loss, in which the arms are compared.
        best: Name of the arm whose selected point is best by the panel's metric.
        pairs: All pairs of the panel's arms, compared together.
    """

    metric: str
    best: str
    pairs: tuple[PairComparison, ...]

    @property
    def rivals(self) -> dict[str, PairComparison]:
        """The pairs that the best arm is in, by the name of the other."""
        names = ((pair, pair.runs.first, pair.runs.second) for pair in self.pairs)
        return {
            second if first == self.best else first: pair
            for pair, first, second in names
            if self.best in (first, second)
        }

    @property
    def unresolved(self) -> dict[str, PairComparison]:
        """The rivals that the best arm is not told from, all pairs counted."""
        return {name: pair for name, pair in self.rivals.items() if not pair.resolved}


def standing(results: StudyResults, panel: Panel) -> Standing | None:
    """Return how a panel's best arm stands; None where no arm is best, or none to be compared."""
    metric = next((m for m in ("test_accuracy", "test_loss") if m in panel.metrics), None)
    if metric is None or panel.best is None:
        return None
    found = Standing(metric, panel.best.name, tuple(compare_panel(results, panel, metric)))
    return found if found.rivals else None
