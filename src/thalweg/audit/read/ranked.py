"""Figures of arms in a table, with their errors."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from thalweg.audit.read.tables import ARM, EPOCH, SEED, Table, has_numbers, number
from thalweg.study.statistics import mean_interval

_SPREAD = re.compile(
    r"(?:^|[_ -])(?:std|stderr|sd|sem?|ci|low|high|error|p|pairs|seeds?|rank|median)$|±", re.I
)


@dataclass(frozen=True)
class Figure:
    """A mean and its error, NaN where none is told."""

    value: float
    error: float

    def resolved_from(self, other: "Figure") -> bool:
        """Return whether two figures differ by more than their errors together; True where there is
        no error to tell.
        """
        error = math.hypot(self.error, other.error)
        return not abs(self.value - other.value) <= error


@dataclass(frozen=True)
class Ranked:
    """One column of a table by arm."""

    table: Table
    column: str
    arms: dict[str, Figure]

    def best(self, highest: bool) -> str:
        """Return the arm with the highest or the lowest figure."""
        return (max if highest else min)(self.arms, key=lambda arm: self.arms[arm].value)


def ranked(table: Table, pattern: str) -> Iterator[Ranked]:
    """Yield the columns whose name matches, of tables with two arms or more.

    Rows of one arm from several seeds are averaged, with half a Student interval as the error. A
    table of several rows an arm for any other reason (epochs, step sizes) ranks no arms.
    """
    arm = _arm_column(table)
    if arm is None:
        return
    names = [row[arm].strip("*_` ") for row in table.rows]
    repeated = len(set(names)) < len(names)
    if len(set(names)) < 2 or (repeated and (not table.find(SEED) or table.find(EPOCH))):
        return
    for column in table.find_all(pattern):
        if _SPREAD.search(column) or column == arm:
            continue
        values, errors = table.numbers(column), table.errors(column)
        found = {
            name: _figure(
                [(v, e) for n, v, e in zip(names, values, errors, strict=True) if n == name]
            )
            for name in dict.fromkeys(names)
        }
        known = {name: each for name, each in found.items() if math.isfinite(each.value)}
        if len(known) > 1:
            yield Ranked(table, column, known)


def _figure(results: Sequence[tuple[float, float]]) -> Figure:
    if len(results) == 1:
        return Figure(*results[0])
    values = [value for value, _ in results if math.isfinite(value)]
    if len(values) < len(results) or not values:
        return Figure(math.nan, math.nan)
    interval = mean_interval(values)
    return Figure(interval.mean, interval.half_width or math.nan)


def _arm_column(table: Table) -> str | None:
    """Return the column that names arms: by its name, or the first one if it holds words."""
    named = [name for name in table.find_all(ARM) if not _all_numbers(table, name)]
    if named:
        return named[0]
    first = table.columns[0]
    return None if has_numbers(table.numbers(first)) else first


def _all_numbers(table: Table, column: str) -> bool:
    return all(not math.isnan(number(row[column])) for row in table.rows)
