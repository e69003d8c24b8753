"""What a study answers, in sentences: how sure it is that its best arms are the best."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from thalweg.report.comparison_sentences import sentence
from thalweg.report.formats import listed, metric_interval, metric_name, plural
from thalweg.store.results import StudyResults
from thalweg.study.comparison import PairComparison
from thalweg.study.comparison.standing import Standing, standing
from thalweg.study.panels import Panel
from thalweg.study.statistics import mean_interval


def answers(results: StudyResults, grouped: Sequence[Panel]) -> tuple[str, ...]:
    """Return two sentences a panel of several arms: the verdict on its best arm and the next in the
    test metric, all pairs counted; and which arms the best, chosen by another metric, is worse than
    or not told from. A third for each of the study's groups of arms tells which is best there.
    """
    return tuple(text for panel in grouped for text in _of_panel(results, panel))


def _of_panel(results: StudyResults, panel: Panel) -> list[str]:
    found = standing(results, panel)
    if found is None:
        return []
    nearest = min(found.rivals.values(), key=lambda pair: _lead(pair, found.best))
    first = f"{panel.title}: {sentence(nearest, found.metric)}."
    if len(found.pairs) == 1:
        return [first]
    resolved = sum(pair.resolved for pair in found.pairs)
    return [
        first,
        f"{panel.title}: of {plural(len(found.pairs), 'pair')} of arms {resolved} are resolved in "
        f"{metric_name(found.metric)}; {found.best} {_place(found)}.",
        *_of_groups(results, panel, found),
    ]


def _of_groups(results: StudyResults, panel: Panel, found: Standing) -> Iterator[str]:
    for group, patterns in results.provenance.get("groups", {}).items():
        arms = [a for a in panel.arms if any(fnmatchcase(a.name, each) for each in patterns)]
        best = replace(panel, arms=tuple(arms)).best
        if best is None or best.selected is None or len(arms) < 2:
            continue
        names = {arm.name for arm in arms}
        pairs = [pair for pair in found.pairs if {pair.runs.first, pair.runs.second} <= names]
        interval = mean_interval(best.selected.values(found.metric))
        figure = metric_interval(found.metric, interval.mean, interval.half_width)
        yield (
            f"{panel.title}, {group}: {best.name}, {metric_name(found.metric)} {figure}, is the "
            f"best of {plural(len(arms), 'arm')} by {metric_name(panel.metric)} and "
            f"{_place(replace(found, best=best.name, pairs=tuple(pairs)))}."
        )


def _place(found: Standing) -> str:
    """Return which arms the best is worse than or not told from, all pairs counted."""
    worse = [n for n, p in found.rivals.items() if p.resolved and _lead(p, found.best) < 0]
    told = [f"is worse than {listed(worse)}"] if worse else []
    told += [f"is not told from {listed([*found.unresolved])}"] if found.unresolved else []
    return " and ".join(told or ["is better than every other"])


def _lead(pair: PairComparison, best: str) -> float:
    """Return by how much an arm is better than the other of a pair; ∞ where a run diverged."""
    if pair.mean is None:
        return math.inf
    sign = 1 if pair.runs.higher_is_better else -1
    return sign * (pair.mean if pair.runs.first == best else -pair.mean)
