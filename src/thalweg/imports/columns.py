"""Tables of someone's training: figures by epoch, and logs of prunings."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from thalweg.audit.read.tables import RATE, SEED, Table
from thalweg.errors import InputError

Row = dict[str, Any]
T = TypeVar("T")

_SPLITS = {
    "train": "train(?:ing)?",
    "validation": "val(?:id|idation)?|dev",
    "test": "test(?:ing)?|eval",
}
_KINDS = {"loss": "loss", "accuracy": "acc(?:uracy)?"}

LARGEST = 2**31 - 1
"""The largest epoch, seed and number of weights."""

METRIC_COLUMNS: Mapping[str, str] = {
    "epoch": r"epochs?",
    "lr": RATE,
    "alg": r"alg|algo(?:rithm)?|optimi[sz]er",
    "seed": SEED,
    "round": "round",
    "round_epoch": "round_epoch",
    **{
        f"{split}_{kind}": rf"(?:{words})_(?:{what})"
        for split, words in _SPLITS.items()
        for kind, what in _KINDS.items()
    },
}
"""Patterns of the columns of figures by epoch, by what they are called here; rounds, which our own
exports tell, follow from the log.
"""

LOG_COLUMNS: Mapping[str, str] = {
    "epoch": r"epochs?",
    "kept": r"(?:remaining|kept|keep)(?:_fraction)?|density",
    "pruned": r"pruned(?:_fraction)?|sparsity",
    "nonzero": r"non_?zeros?|nnz",
    "total": r"total|weights|parameters",
    "round": "round",
    "accuracy": "accuracy",
    "loss": "loss",
}
"""Patterns of the columns of a log of prunings; the last three, of our own exports, are told by the
figures by epoch too.
"""

_FIGURES = tuple(name for name in METRIC_COLUMNS if name.endswith(("_loss", "_accuracy")))


@dataclass(frozen=True)
class Curve:
    """One training of a table of figures by epoch.

    Attributes:
        optimizer: As the table names it; None where it does not.
        seed: None where the table tells none.
        rows: One an epoch, ascending: "epoch", "lr" and figures; None for what is not told,
            accuracies as shares in [0, 1].
    """

    optimizer: str | None
    seed: int | None
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Pruning:
    """One row of a log: what a pruning after an epoch left.

    Attributes:
        epoch: After which it was.
        kept: Fraction of the weights in question.
        nonzero: How many they are; None where it is not told.
        total: Of how many.
    """

    epoch: int
    kept: float
    nonzero: int | None
    total: int | None


def is_metrics(table: Table) -> bool:
    """Return whether a table has figures by epoch, under names that are known."""
    names = {_normal(name) for name in table.columns}
    found = {key for key, pattern in METRIC_COLUMNS.items() if _matching(names, pattern)}
    return "epoch" in found and not found.isdisjoint(_FIGURES)


def metric_of(name: str) -> str | None:
    """Return what a figure of a tracker is called here, "epoch", "lr", or a split's loss or
    accuracy; None for any other. Trackers group figures by slashes or dots: ``train/loss``.
    """
    bare = _normal(re.sub(r"[/.]", "_", name))
    known = ("epoch", "lr", *_FIGURES)
    return next((key for key in known if _matching([bare], METRIC_COLUMNS[key])), None)


def read_curves(table: Table) -> list[Curve]:
    """Return the trainings of a table of figures by epoch, one an optimizer and seed.

    Raises:
        InputError: A column is unknown or missing, or a value is not allowed.
    """
    columns = _columns(table, METRIC_COLUMNS)
    if "epoch" not in columns or columns.keys().isdisjoint(_FIGURES):
        raise InputError(
            f"{table.where}: has no column of epochs or none of figures (allowed: epoch, "
            f"{', '.join(_FIGURES)}, and their synonyms)"
        )
    scales = {name: _scale(table, columns[name]) for name in _FIGURES if name in columns}
    grouped: dict[tuple[str | None, int | None], list[Row]] = {}
    for row in table.rows:
        name = row[columns["alg"]].strip() if "alg" in columns else ""
        seed = _whole(table, columns["seed"], row) if "seed" in columns else None
        figures = {
            figure: None if (value := _number(table, columns[figure], row)) is None else value / of
            for figure, of in scales.items()
        }
        rate = _number(table, columns["lr"], row) if "lr" in columns else None
        if rate is not None and not math.isfinite(rate):
            raise InputError(f"{table.where}: {columns['lr']} = {rate}: must be a finite number")
        epoch = _whole(table, columns["epoch"], row)
        grouped.setdefault((name or None, seed), []).append({"epoch": epoch, "lr": rate, **figures})
    return [
        Curve(name, seed, tuple(_rising(table, rows, lambda row: int(row["epoch"]))))
        for (name, seed), rows in grouped.items()
    ]


def read_log(table: Table) -> list[Pruning]:
    """Return the prunings that a log tells, in the order of their epochs.

    Raises:
        InputError: A column is unknown or missing, or a value is not allowed.
    """
    columns = _columns(table, LOG_COLUMNS)
    counted = {"nonzero", "total"} <= columns.keys()
    if "epoch" not in columns or not (counted or {"kept", "pruned"} & columns.keys()):
        raise InputError(
            f"{table.where}: has no column of epochs or none of what was kept (allowed: "
            f"{', '.join(LOG_COLUMNS)}, and their synonyms)"
        )
    found = []
    for row in table.rows:
        nonzero, total = (
            _whole(table, columns[name], row) if name in columns else None
            for name in ("nonzero", "total")
        )
        if nonzero is not None and total is not None:
            kept = nonzero / total if total else -1.0
        elif "kept" in columns:
            kept = _share(table, columns["kept"], row)
        else:
            kept = 1 - _share(table, columns["pruned"], row)
        if not 0 <= kept <= 1:
            raise InputError(
                f"{table.where}: {nonzero} of {total} weights: must be at most all, of at least 1"
            )
        found.append(Pruning(_whole(table, columns["epoch"], row), kept, nonzero, total))
    return _rising(table, found, lambda pruning: pruning.epoch)


def _columns(table: Table, patterns: Mapping[str, str]) -> dict[str, str]:
    """Return the table's own names of its columns, by what they are called here."""
    found: dict[str, str] = {}
    for name in table.columns:
        key = next(
            (k for k, pattern in patterns.items() if _matching([_normal(name)], pattern)), None
        )
        if key is None:
            raise InputError(
                f"{table.where}: unknown column {name!r} (allowed: {', '.join(patterns)}, and "
                "their synonyms)"
            )
        if key in found:
            raise InputError(
                f"{table.where}: columns {found[key]!r} and {name!r} are both {key}; leave one out"
            )
        found[key] = name
    return found


def _matching(names: Iterable[str], pattern: str) -> bool:
    return any(re.fullmatch(pattern, name, re.I) for name in names)


def _normal(name: str) -> str:
    """Return a column's name without its unit and with underscores: ``Test Acc (%)``."""
    bare = re.sub(r"\s*[(\[]?\s*(?:%|pct|percent)\s*[)\]]?\s*$", "", name.strip("*` "), flags=re.I)
    return re.sub(r"[\s_-]+", "_", bare).strip("_").lower()


def _scale(table: Table, column: str) -> float:
    """Return what the column's values are divided by: 100 where an accuracy is a percentage."""
    if not re.search(r"acc", column, re.I):
        return 1.0
    values = [_number(table, column, row) for row in table.rows]
    told = [value for value in values if value is not None and not math.isnan(value)]
    percentage = bool(re.search(r"%|pct|percent", column, re.I)) or any(v > 1 for v in told)
    highest = 100 if percentage else 1
    for value in told:
        if not 0 <= value <= highest:
            raise InputError(
                f"{table.where}: {column} = {value:g}: must be a share from 0 to 1 or a "
                "percentage from 0 to 100"
            )
    return float(highest)


def _share(table: Table, column: str, row: Mapping[str, str]) -> float:
    value = _number(table, column, row)
    share = -1.0 if value is None else value / 100 if "%" in column or value > 1 else value
    if not 0 <= share <= 1:
        raise InputError(f"{table.where}: {column} = {row[column]!r}: must be a share from 0 to 1")
    return share


def _number(table: Table, column: str, row: Mapping[str, str]) -> float | None:
    """Return a cell as a number; None if it is empty."""
    text = row[column].strip().rstrip("%")
    try:
        return float(text) if text else None
    except ValueError:
        raise InputError(f"{table.where}: {column} = {text!r}: must be a number") from None


def _whole(table: Table, column: str, row: Mapping[str, str]) -> int:
    value = _number(table, column, row)
    if value is None or not (value.is_integer() and 0 <= value <= LARGEST):
        raise InputError(
            f"{table.where}: {column} = {row[column]!r}: must be a whole number from 0 to {LARGEST}"
        )
    return int(value)


def _rising(table: Table, rows: list[T], epoch: Callable[[T], int]) -> list[T]:
    """Return rows in the order of their epochs.

    Raises:
        InputError: An epoch comes twice.
    """
    ordered = sorted(rows, key=epoch)
    for before, after in pairwise(ordered):
        if epoch(before) == epoch(after):
            raise InputError(
                f"{table.where}: epoch {epoch(after)} comes twice; a table tells each epoch of a "
                "training once (several trainings need a column of seeds or optimizers)"
            )
    return ordered
