"""What an audit finds: faults, and what a reader must know."""

from collections import Counter
from collections.abc import Sequence
from weakref import ref

import polars as pl

from thalweg.audit import Finding, audit_study
from thalweg.audit.finding import ORDER
from thalweg.errors import ThalwegError
from thalweg.report.formats import plural
from thalweg.report.table import Column, Table, build_table
from thalweg.store import Store
from thalweg.store.results import StudyResults
from thalweg.store.run_directory import COMPLETE
from thalweg.ui.content import Asked, Content, View
from thalweg.ui.views.asking import several

LEAD = (
    "Known faults of studies looked for in this one: what is severe is not what it is said to be, "
    "a warning is weaker than it looks, a note is to be known by who reads."
)

COLUMNS = ("severity", "fault", "where", "evidence", "consequence", "remedy", "check")

NOTHING = "Nothing was found."

KEPT = 8
"""Studies whose findings are kept while their results are in use."""

_found: dict[int, tuple["ref[StudyResults]", list[Finding] | str]] = {}
"""Findings, or why there are none, by the results they are of."""


def show(results: StudyResults, store: Store, asked: Asked) -> Content:
    """Return the findings of an audit of the study, the worst first."""
    severities = several(asked, "severity", "Severity", {name: name for name in ORDER})
    if not results.runs["status"].is_in(COMPLETE).any():
        why = "No run has ended yet, so there is nothing to audit."
        return Content(LEAD, (severities,), (why,))
    found = _findings(results, store)
    if isinstance(found, str):
        return Content(LEAD, (severities,), (found,))
    counts = Counter(finding.severity for finding in found)
    words = [f"{counts['severe']} severe", plural(counts["warning"], "warning")]
    words.append(plural(counts["note"], "note"))
    shown = [finding for finding in found if finding.severity in severities.chosen]
    sentences = [f"{plural(len(found), 'finding')}: {', '.join(words)}." if found else NOTHING]
    if found and not shown:
        sentences.append(f"None of them is {' or '.join(severities.chosen)}.")
    tables = (_table(shown),) if shown else ()
    return Content(LEAD, (severities,), tuple(sentences), tables=tables)


def _findings(results: StudyResults, store: Store) -> list[Finding] | str:
    """Return the findings, or why there are none; what was found of the same results is kept."""
    known = _found.get(id(results))
    if known is not None and known[0]() is results:
        return known[1]
    found: list[Finding] | str
    try:
        found = audit_study(store, results)
    except ThalwegError as error:  # such as code that may not be imported
        found = f"The study was not audited: {error}."
    for key in list(_found)[: 1 - KEPT]:
        del _found[key]
    _found[id(results)] = (ref(results), found)
    return found


def _table(found: Sequence[Finding]) -> Table:
    return build_table(
        "findings",
        "Findings",
        "The worst first; the same are found by the command “thalweg audit”.",
        [finding.as_dict() for finding in found],
        dict.fromkeys(COLUMNS, pl.String),
        [
            Column("severity", lambda row: str(row["severity"]), numeric=False),
            Column("fault", lambda row: f"{row['where']}: {row['fault']}", numeric=False),
            Column("evidence", lambda row: str(row["evidence"]), numeric=False),
            Column("so", lambda row: f"{row['consequence']}; {row['remedy']}", numeric=False),
        ],
    )


VIEW = View("audit", "Audit", lambda _: True, show)
