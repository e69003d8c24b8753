"""A run that a tracker has kept, and the trackers' files in which runs are found."""

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thalweg.audit.read.folder import LARGEST
from thalweg.audit.read.tables import Table, read_csv
from thalweg.errors import InputError
from thalweg.validation import brief


@dataclass(frozen=True)
class Foreign:
    """A run as a tracker has kept it.

    Attributes:
        where: The file, and which run of it.
        name: What the tracker's user calls it.
        ended: Whether it came to its end, as far as is told.
        parameters: What was asked of it; keys of tables in tables have dots.
        tags: What else was noted by whoever has logged it.
        history: Figures by step.
        summary: The last figures, as the tracker tells them.
    """

    where: str
    name: str
    ended: bool
    parameters: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    history: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    summary: Mapping[str, float] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of all that is told of the run."""
        told = [self.name, self.ended, self.parameters, self.tags, self.history, self.summary]
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of tables in tables, by keys with dots."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def plain(text: str) -> Any:
    """Return what a text says: a number, yes or no, a list; or else the text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {"True": True, "False": False, "None": None}.get(text, text)
    return text if isinstance(found, dict) else found


def shown(text: str) -> str:
    """Return a stranger's text without what a terminal would obey, in at most 100 characters."""
    return "".join(each if each.isprintable() else "?" for each in text[:100])


def numbers(table: Mapping[str, Any]) -> dict[str, float]:
    """Return the entries that are numbers."""
    return {
        key: value
        for key, value in table.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def read_small(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        InputError: It cannot be read, or is larger than is read at a time.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(
                f"{path}: is larger than {LARGEST // 2**20} MiB, the most that is read"
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def read_table(path: Path) -> Table | None:
    """Return the table of a CSV file; None for one that is none.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return read_csv(path.name, read_small(path).decode("utf-8"))
    except (UnicodeDecodeError, csv.Error):
        return None


def checked(path: Path, runs: Sequence[Foreign]) -> list[Foreign]:
    """Return the runs of a file, of which there must be one.

    Raises:
        InputError: There is none.
    """
    if not runs:
        raise InputError(f"{path}: holds no run")
    return list(runs)


def unreadable(path: Path, error: Exception) -> InputError:
    """Return the error of a file that is not what its name says."""
    return InputError(f"{path}: cannot be read as what a tracker has written ({brief(error)})")
