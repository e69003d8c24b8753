"""Tables in someone's files: CSV, and those of Markdown texts."""

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

_NUMBER = re.compile(
    r"[-+−]?(?:\d+(?:[\d,]*\d)?\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?:nan|-?inf)\b", re.I
)

ARM = (
    r"arm|method|optimi[sz]er|algorithm|algo|variant|config(?:uration)?|setting|name|"
    r"lr|learning[_ -]?rate|step[_ -]?size|eta"
)
RATE = r"lr|learning[_ -]?rate|step[_ -]?size|eta"
SEED = r"seeds?|random[_ -]?seed"
EPOCH = r"epochs?|steps?|iter(?:ation)?s?|round"
ERROR = r"std|stderr|sem?|sd|ci|error|half[_ -]?width|±"


@dataclass(frozen=True)
class Table:
    """Rows of texts by column.

    Attributes:
        where: The file, and which of its tables.
        columns: In order.
        rows: One text a column; "" where there is none.
    """

    where: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]

    def find(self, pattern: str) -> str | None:
        """Return the first column whose whole name matches, whatever its case."""
        return next(iter(self.find_all(pattern)), None)

    def find_all(self, pattern: str) -> list[str]:
        """Return all of them."""
        compiled = re.compile(pattern, re.I)
        return [name for name in self.columns if compiled.fullmatch(name.strip("*` "))]

    def numbers(self, column: str) -> list[float]:
        """Return the column as numbers, NaN for what is none."""
        return [number(row[column]) for row in self.rows]

    def errors(self, column: str) -> list[float]:
        """Return one standard error or half width a row: what follows ± in the cells, or the column
        of that name with "std", "ci" and the like; NaN where there is none.
        """
        own = [number(row[column].partition("±")[2]) for row in self.rows]
        if not all(map(math.isnan, own)):
            return own
        stem = re.sub(r"[_ -]?mean$", "", column)
        beside = self.find(rf"(?:{re.escape(stem)}[_ -]?(?:{ERROR})|(?:{ERROR})[_ -]?{stem})")
        if beside is not None:
            return self.numbers(beside)
        low, high = (self.find(rf"{re.escape(stem)}[_ -](?:{w})") for w in ("low", "high"))
        if low is None or high is None:
            return own
        ends = zip(self.numbers(low), self.numbers(high), strict=True)
        return [(b - a) / 2 for a, b in ends]


def number(text: str) -> float:
    """Return the number that a cell begins with ("**92.34 ± 0.29 %**" is 92.34); NaN for none."""
    match = _NUMBER.match(text.strip("*_` $"))
    return float(match[0].replace(",", "").replace("−", "-")) if match else math.nan


def has_numbers(values: list[float]) -> bool:
    return any(not math.isnan(value) for value in values)


def read_csv(where: str, text: str) -> Table | None:
    """Return the table of a CSV text, separated by commas, semicolons or tabs; None for one that
    has no row.
    """
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row]
    return _table(where, rows)


def markdown_tables(where: str, text: str) -> Iterator[Table]:
    """Yield the pipe tables of a text."""
    rows: list[list[str]] = []
    count = 0
    for line in [*text.splitlines(), ""]:
        if line.lstrip().startswith("|"):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
                rows.append(cells)
        elif rows:
            count += 1
            table = _table(f"{where}, table {count}", rows)
            if table is not None:
                yield table
            rows = []


def _table(where: str, rows: list[list[str]]) -> Table | None:
    if len(rows) < 2:
        return None
    columns = [name.strip().lstrip("\ufeff") for name in rows[0]]
    named = tuple(name or f"column {i + 1}" for i, name in enumerate(columns))
    body = [dict(zip(named, [*row, *[""] * len(named)], strict=False)) for row in rows[1:]]
    return Table(where, named, tuple(body))
