"""Rankings that are smaller than their own error."""

import itertools
from collections.abc import Iterator, Sequence

from thalweg.audit.check import Check, Seen
from thalweg.audit.read.folder import Folder
from thalweg.audit.read.ranked import Ranked, ranked
from thalweg.audit.read.recorded import RecordedStudy
from thalweg.study.comparison import PairComparison
from thalweg.study.comparison.standing import standing

FIGURE = r".*(?:acc|accuracy|loss|error|lambda|λ).*"


def _of_study(study: RecordedStudy) -> Iterator[Seen]:
    for panel in study.panels:
        found = standing(study.results, panel)
        if found is not None and found.unresolved:
            listed = "; ".join(
                f"{name} ({_figures(pair, found.best)})" for name, pair in found.unresolved.items()
            )
            yield Seen(
                "note",
                panel.title,
                f"{found.best} is not told from {len(found.unresolved)} of {len(found.rivals)} "
                "other arms",
                f"its paired difference in {found.metric} from each and 95 % interval"
                f"{_adjusted(found.pairs)}: {listed}",
            )


def _adjusted(pairs: Sequence[PairComparison]) -> str:
    """Return what the p values are adjusted for; a sequential study has none."""
    return ", p adjusted for all pairs of arms" if pairs[0].p_adjusted is not None else ""


def _figures(pair: PairComparison, best: str) -> str:
    if len(pair.runs.seeds) == 1:
        return "one seed"
    p = None if pair.p_adjusted is None else f"p = {pair.p_adjusted:.2g}"
    if pair.mean is None or pair.interval is None:
        parts = ["runs diverged", p]
    else:
        sign = 1 if pair.runs.first == best else -1
        low, high = sorted(sign * end for end in pair.interval)
        parts = [f"{sign * pair.mean:.3g}, {low:.3g} to {high:.3g}", p]
    return ", ".join(part for part in parts if part)


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
