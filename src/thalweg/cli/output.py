"""How results are printed: as a table for people, or as JSON."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import polars as pl
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

LONGEST_NAME = 30
"""Characters of a row's name up to which it is not broken."""


@contextmanager
def prints_aside() -> Iterator[None]:
    """Send what a user's code prints to standard error, so that standard output is the result."""
    with redirect_stdout(sys.stderr):
        yield


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output; a number that is not finite becomes null."""
    print(json.dumps(_finite(value), indent=2, default=str))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> None:
    """Print rows as a table; on a narrow terminal cells wrap and nothing is cut off."""
    columns = columns or (list(rows[0]) if rows else [])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        numeric = any(isinstance(row.get(name), int | float) for row in rows)
        names_rows = name == columns[0] and not numeric
        widest = max((len(_cell(row.get(name))) for row in rows), default=0)
        table.add_column(
            *(name,),
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=names_rows and widest <= LONGEST_NAME,
        )
    for row in rows:
        table.add_row(*(Text(_cell(row.get(name))) for name in columns))
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 160)  # a pipe has no width to keep to
    console.print(table)


def print_frame(frame: pl.DataFrame) -> None:
    print_table(frame.to_dicts(), frame.columns)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.5g}"
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) != float("inf") and value == value else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
