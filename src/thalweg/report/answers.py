"""What a study answers, in sentences: how sure it is that its best arms are the best."""

import math
from collections.abc import Sequence

from thalweg.report.comparison_sentences import sentence
from thalweg.report.comparisons import compare_panel
from thalweg.report.formats import metric_name, plural
from thalweg.report.panels import Panel
from thalweg.store.results import StudyResults
from thalweg.study.comparison import PairComparison


def answers(results: StudyResults, grouped: Sequence[Panel]) -> tuple[str, ...]:
    """Return two sentences a panel of several arms: the verdict on its best arm and the next in the
    test metric, all pairs counted; and which arms the best is not told from.
    """
    return tuple(text for panel in grouped for text in _of_panel(results, panel))


def _of_panel(results: StudyResults, panel: Panel) -> list[str]:
    metric = next((m for m in ("test_accuracy", "test_loss") if m in panel.metrics), None)
    best = panel.best
    if metric is None or best is None:
        return []
    pairs = compare_panel(results, panel, metric)
    rivals = [pair for pair in pairs if best.name in (pair.runs.first, pair.runs.second)]
    if not rivals:
        return []
    nearest = min(rivals, key=lambda pair: _lead(pair, best.name))
    open_ones = [_other(pair, best.name) for pair in rivals if not pair.resolved]
    resolved = sum(pair.resolved for pair in pairs)
    counted = f"of {plural(len(pairs), 'pair')} of arms {resolved} are resolved"
    if len(pairs) == 1:
        return [f"{panel.title}: {sentence(nearest, metric)}."]
    told = (
        f"{best.name} is not told from {', '.join(open_ones)}"
        if open_ones
        else f"{best.name} is told from every other"
    )
    return [
        f"{panel.title}: {sentence(nearest, metric)}.",
        f"{panel.title}: {counted} in {metric_name(metric)}; {told}.",
    ]


def _lead(pair: PairComparison, best: str) -> float:
    """Return by how much an arm is better than the other of a pair; ∞ where a run diverged."""
    if pair.mean is None:
        return math.inf
    sign = 1 if pair.runs.higher_is_better else -1
    return sign * (pair.mean if pair.runs.first == best else -pair.mean)


def _other(pair: PairComparison, name: str) -> str:
    return pair.runs.second if pair.runs.first == name else pair.runs.first
