"""The page of a study's runs: what the address asks for, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from thalweg.errors import InputError
from thalweg.report.formats import number
from thalweg.ui.page import address
from thalweg.ui.run_table import Filter, Order, Rows
from thalweg.validation import unknown

WINDOW = 100
"""Rows that are sent at a time."""

MOST_GROUPS = 1000
"""Groups that are shown; the file has all."""


@dataclass(frozen=True)
class RunsAsked:
    """What the address of a table of runs asks for.

    Attributes:
        filters: Conditions.
        order: By which column rows stand; None for the study's own order.
        columns: Those that are shown.
        own_columns: Whether the address names them.
        groups: Columns by whose values runs are grouped; none for single runs.
        metric: The figure that is averaged in groups.
        offset: The first row.
    """

    filters: tuple[Filter, ...]
    order: Order | None
    columns: tuple[str, ...]
    own_columns: bool
    groups: tuple[str, ...]
    metric: str
    offset: int

    @classmethod
    def of(cls, rows: Rows, request: Request) -> "RunsAsked":
        """Read the address.

        Raises:
            InputError: It names a column that there is not, or a start that is no whole number.
        """
        query = request.query_params
        several = query.getlist
        keys, operators, values = several("key"), several("operator"), several("value")
        if not len(keys) == len(operators) == len(values):
            raise InputError("a filter: must be one key, one operator and one value")
        filters = tuple(
            Filter(*each) for each in zip(keys, operators, values, strict=True) if each[0]
        )
        sort = query.get("sort", "")
        order = Order(sort.removeprefix("-"), sort.startswith("-")) if sort else None
        columns = tuple(dict.fromkeys(several("column")))
        groups = tuple(dict.fromkeys(name for name in several("group") if name))
        for name in (*columns, *groups):
            if name not in rows.columns:
                raise InputError(unknown("column", name, rows.columns))
        offset = query.get("offset", "0")
        if not offset.isascii() or not offset.isdigit() or len(offset) > 9:
            raise InputError(f"offset {offset!r}: must be a whole number of at least 0")
        metric = query.get("metric") or _usual_metric(rows)
        return cls(
            filters, order, columns or tuple(rows.usual()), bool(columns), groups, metric,
            int(offset),
        )  # fmt: skip


def _usual_metric(rows: Rows) -> str:
    """Return the figure that is averaged unless another is asked for."""
    found = [
        name
        for name in ("test_accuracy", "test_loss")
        if rows.frame[name].null_count() < len(rows.frame)
    ]
    return found[0] if found else "test_loss"


def rows_json(rows: Rows, asked: RunsAsked, offset: int, limit: int) -> dict[str, Any]:
    """Return some rows as texts: ``total``, ``offset``, ``runs`` with the ids and ``rows``."""
    columns = ["run", *(name for name in asked.columns if name != "run")]
    found = rows.window(asked.filters, asked.order, columns, limit, offset)
    ids = found.frame["run"].to_list()
    texts = found.frame.select(asked.columns).rows()
    return {
        "total": found.total,
        "offset": offset,
        "runs": ids,
        "rows": [[cell(value) for value in row] for row in texts],
    }


@dataclass(frozen=True)
class Grouped:
    """Groups of runs as texts.

    Attributes:
        header: Names of the columns.
        numeric: Whether each holds numbers.
        rows: Texts of the rows, each with the address of its runs.
        total: How many groups there are, shown or not.
    """

    header: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[tuple[str, ...], str], ...]
    total: int


def group_rows(rows: Rows, asked: RunsAsked, request: Request) -> Grouped:
    """Return the groups that the address asks for.

    Raises:
        InputError: A column is unknown, or a value is of the wrong kind.
    """
    frame = rows.grouped(asked.filters, asked.groups, asked.metric, asked.order)
    shown = tuple(
        (tuple(cell(value) for value in row), _address_of(request, asked, row))
        for row in frame.head(MOST_GROUPS).iter_rows()
    )
    numeric = tuple(kind.is_numeric() for kind in frame.schema.values())
    return Grouped(tuple(frame.columns), numeric, shown, len(frame))


def _address_of(request: Request, asked: RunsAsked, row: Sequence[Any]) -> str:
    """Return the address of the runs of a group; "" where a value is null, which none selects."""
    values = row[: len(asked.groups)]
    if any(value is None for value in values):
        return ""
    own = [
        Filter(key, "eq", _written(value)) for key, value in zip(asked.groups, values, strict=True)
    ]
    filters = [*asked.filters, *own]
    return address(
        request,
        group=None,
        metric=None,
        sort=None,
        key=[each.key for each in filters],
        operator=[each.operator for each in filters],
        value=[each.value for each in filters],
    )


def csv_of(rows: Rows, asked: RunsAsked) -> str:
    """Return all that the address asks for in full precision: every column of every run that meets
    the filters, or all groups.
    """
    if asked.groups:
        return rows.grouped(asked.filters, asked.groups, asked.metric, asked.order).write_csv()
    return rows.window(asked.filters, asked.order, rows.columns).frame.write_csv()


def cell(value: Any) -> str:
    """Return a value as it stands in a cell."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return _written(value)
    if isinstance(value, float):
        return number(value, 5)
    return str(value)


def _written(value: Any) -> str:
    """Return a value as a filter has it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
