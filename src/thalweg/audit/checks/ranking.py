"""Rankings that are smaller than their own error."""

import itertools
import math
from collections.abc import Iterator

import numpy as np

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.ranked import Ranked, ranked
from thalweg.audit.read.recorded import Panel, RecordedStudy, matrix
from thalweg.study.paired import paired_difference

FIGURE = r".*(?:acc|accuracy|loss|error|lambda|λ).*"


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    for panel in study.panels:
        metric = panel.metric.replace("validation_", "test_")
        best, rest, unresolved = _unresolved(panel, metric)
        if unresolved:
            yield Seen(
                "note",
                panel.title,
                f"{best} is ahead of {len(unresolved)} of {rest} arms by less than the error",
                f"paired difference in {metric}, 95 % intervals together: "
                f"{'; '.join(unresolved[:4])}" + ("; …" if unresolved[4:] else ""),
            )


def _unresolved(panel: Panel, metric: str) -> tuple[str, int, list[str]]:
    """Return the best arm by a metric, the number of others, and those it is not resolved from.

    Bonferroni's correction is over the others. A diverged run makes the mean difference infinite,
    which is not this check's concern.
    """
    chosen = {arm: point for arm in panel.arms if (point := panel.selected(arm)) is not None}
    rows = dict(zip(chosen, matrix(list(chosen.values()), metric), strict=True))
    sign = 1 if panel.higher_is_better else -1
    means = {arm: sign * np.nanmean(row) for arm, row in rows.items() if not np.isnan(row).all()}
    if len(means) < 2:
        return "", 0, []
    best, *others = sorted(means, key=lambda arm: -means[arm])
    found = []
    for other in others:
        difference = paired_difference(rows[best], rows[other], 1 - 0.05 / len(others))
        if difference is None or not math.isfinite(difference.interval.mean):
            continue
        low, high = difference.interval.low, difference.interval.high
        if low is None or high is None:
            found.append(f"{other} (one seed)")
        elif low <= 0 <= high:
            found.append(f"{other} ({low:.3g} to {high:.3g})")
    return best, len(others), found


def _of_folder(folder: Folder) -> Iterator[Seen]:
    for table in folder.tables:
        for column in ranked(table, FIGURE):
            place = table.find(r"rank|place|#")
            close = _neighbours(column)
            if place is not None and close:
                yield Seen(
                    "warning",
                    table.where,
                    f"arms are ranked by {column.column}, in which they do not differ",
                    f"within their errors: {'; '.join(close[:4])}",
                )


def _neighbours(column: Ranked) -> list[str]:
    """Return the arms next to each other in order whose difference is within their errors."""
    order = sorted(column.arms.items(), key=lambda item: item[1].value)
    return [
        f"{first} {a.value:g} ± {a.error:g}, {second} {b.value:g} ± {b.error:g}"
        for (first, a), (second, b) in itertools.pairwise(order)
        if not a.resolved_from(b)
    ]


CHECK = Check(
    "ranking-inside-error",
    "a ranking of arms that differ by less than their error",
    "the order would be another one on other seeds",
    "say that it is not resolved, or run more seeds",
    of_study=_of_study,
    of_folder=_of_folder,
)
