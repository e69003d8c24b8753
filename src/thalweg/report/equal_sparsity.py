"""Which arm is best among those that keep the same fraction of the weights, in sentences."""

from collections.abc import Iterator
from dataclasses import replace

from thalweg.report.formats import listed, metric_interval, metric_name
from thalweg.report.rounds import kept_text
from thalweg.store.results import StudyResults
from thalweg.study.comparison.standing import standing
from thalweg.study.panels import Arm, Panel
from thalweg.study.statistics import mean_interval

FEWEST = 3
"""Arms of one sparsity from which on they are compared by themselves."""


def at_equal_sparsity(results: StudyResults, panel: Panel) -> Iterator[str]:
    """Yield one sentence a fraction kept: the arm that the selection metric puts first, its test
    figure, and from which others it is not told over the pairs of these arms alone; none where all
    arms keep the same.
    """
    groups: dict[str, list[Arm]] = {}
    for arm in panel.arms:
        kept = _kept(arm)
        if kept is not None:
            groups.setdefault(kept_text(kept), []).append(arm)
    for share, arms in groups.items():
        if FEWEST <= len(arms) < len(panel.arms):
            group = replace(panel, arms=tuple(arms))
            found = standing(results, group)
            if found is None or group.best is None or group.best.selected is None:
                continue
            interval = mean_interval(group.best.selected.values(found.metric))
            others = listed([*found.unresolved])
            yield (
                f"with {share} of the weights kept, {found.best} is the best of {len(arms)} arms "
                f"by {metric_name(panel.metric)}, {metric_name(found.metric)} "
                f"{metric_interval(found.metric, interval.mean, interval.half_width)}; "
                + (f"not told from {others}" if others else "resolved against every other")
                + f" (paired, all {len(found.pairs)} pairs counted)."
            )


def _kept(arm: Arm) -> float | None:
    """Return the mean fraction kept at the selected point; None of dense networks."""
    known = [run["kept"] for run in arm.selected.runs] if arm.selected else []
    return None if not known or None in known else sum(known) / len(known)
