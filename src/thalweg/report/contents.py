"""Charts and tables of a report by name."""

from collections.abc import Iterable
from typing import TypeVar

from thalweg.errors import InputError
from thalweg.report.charts import Chart
from thalweg.report.figures import sections
from thalweg.report.table import Table
from thalweg.report.tables import tables
from thalweg.store.results import StudyResults
from thalweg.study.panels import panels
from thalweg.validation import unknown

Item = TypeVar("Item", Chart, Table)


def find_chart(results: StudyResults, name: str) -> Chart:
    """Return the chart of the report that has a name, or the only one whose name begins so.

    Raises:
        InputError: There is none, or several begin so.
    """
    grouped = panels(results)
    return _find("figure", name, (c for s in sections(results, grouped) for c in s.charts))


def find_table(results: StudyResults, name: str) -> Table:
    """Return the table of the report that has a name, or the only one whose name begins so.

    Raises:
        InputError: There is none, or several begin so.
    """
    grouped = panels(results)
    of_sections = [t for section in sections(results, grouped) for t in section.tables]
    return _find("table", name, [*tables(results, grouped), *of_sections])


def _find(kind: str, name: str, items: Iterable[Item]) -> Item:
    named = {item.name: item for item in items}
    if name in named:
        return named[name]
    found = [known for known in named if known.startswith(name)]
    if len(found) == 1:
        return named[found[0]]
    if found:
        raise InputError(f"{kind} {name!r}: several begin so (allowed: {', '.join(found)})")
    raise InputError(unknown(kind, name, named))
