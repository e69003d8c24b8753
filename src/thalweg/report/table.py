"""A table: a frame in full precision for CSV, rounded texts for the page and for papers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from thalweg.report.escapes import markdown_text
from thalweg.report.html_table import html_table
from thalweg.report.latex_table import latex_table
from thalweg.study.panels import Arm, Panel

KEY_SCHEMA = {"task": pl.String, "model": pl.String, "arm": pl.String}
"""Columns that name an arm of a panel."""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: Stem of its files.
        title: Heading.
        note: How to read it.
        frame: What the CSV file holds, in full precision.
        header: Column headings of the page's table.
        rows: Texts of the page's table.
        numeric: Whether each column holds numbers, which are aligned to the right.
    """

    name: str
    title: str
    note: str
    frame: pl.DataFrame
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]

    def markdown(self) -> str:
        """Return it in Markdown, heading and note below."""
        return f"{self.markdown_rows()}\n\n{markdown_text(self.caption)}\n"

    def markdown_rows(self) -> str:
        """Return its header and rows in Markdown."""
        lines = [
            [markdown_text(heading) for heading in self.header],
            ["---:" if numeric else ":---" for numeric in self.numeric],
            *([markdown_text(cell) for cell in row] for row in self.rows),
        ]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def latex(self) -> str:
        """Return it in LaTeX, see `latex_table`."""
        return latex_table(self.name, self.caption, self.header, self.rows, self.numeric)

    @property
    def caption(self) -> str:
        """Heading and note."""
        return f"{self.title}. {self.note}"

    def _repr_html_(self) -> str:
        return html_table(self.header, self.rows, self.numeric, self.caption)

    def _repr_latex_(self) -> str:
        return self.latex()


@dataclass(frozen=True)
class Column:
    """A column of the page's table: heading and text of a row of the frame."""

    heading: str
    text: Callable[[dict[str, Any]], str]
    numeric: bool = True


def build_table(
    name: str,
    title: str,
    note: str,
    records: Sequence[dict[str, Any]],
    schema: dict[str, Any],
    columns: Sequence[Column],
) -> Table:
    """Return the table of some records: ``schema`` is that of its frame."""
    return Table(
        name,
        title,
        note,
        pl.DataFrame(records, schema=schema),
        tuple(column.heading for column in columns),
        tuple(tuple(column.text(record) for column in columns) for record in records),
        tuple(column.numeric for column in columns),
    )


def key(panel: Panel, arm: Arm) -> dict[str, Any]:
    """Return a record's `KEY_SCHEMA` columns."""
    return {"task": panel.task, "model": panel.model, "arm": arm.name}


def key_columns() -> list[Column]:
    """Return the page's columns of `KEY_SCHEMA`."""

    def column(name: str) -> Column:
        return Column(name, lambda row: str(row[name]), numeric=False)

    return [column(name) for name in KEY_SCHEMA]
