"""Runs in what MLflow leaves: a database, a folder ``mlruns``, a table of `mlflow.search_runs`."""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import quote

from thalweg.audit.read.folder import LARGEST
from thalweg.audit.read.tables import Table
from thalweg.errors import InputError
from thalweg.imports.foreign import Foreign, checked, plain, read_small, shown, unreadable

DATABASES = (".db", ".sqlite", ".sqlite3")

SECONDS = 120.0
"""So long at most a database is asked; what takes longer may have been made to."""

ENDED = "FINISHED"

_STATUSES = {"3": ENDED}
"""What ``meta.yaml`` calls a run that has ended."""


def read_database(path: Path) -> list[Foreign]:
    """Return the runs of a database that MLflow has made in SQLite; it is not written to.

    Raises:
        InputError: It is none, or takes too long to read.
    """
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: is larger than {LARGEST // 2**20} MiB, the most that is read")
    until = time.monotonic() + SECONDS
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)) as db:
            db.text_factory = lambda data: data.decode("utf-8", "replace")
            db.execute("PRAGMA trusted_schema = OFF")
            db.set_progress_handler(lambda: time.monotonic() > until, 100_000)
            return checked(path, _runs(path, db))
    except (sqlite3.Error, OverflowError, TypeError, ValueError) as error:
        raise unreadable(path, error) from error


def _runs(path: Path, db: sqlite3.Connection) -> list[Foreign]:
    kinds = dict(db.execute("SELECT name, type FROM sqlite_master"))
    needed = ("runs", "params", "tags", "metrics")
    if any(kinds.get(name) != "table" for name in needed):  # a view may be anything
        raise InputError(f"{path}: is no database of MLflow (tables {', '.join(needed)})")
    parameters: dict[str, dict[str, Any]] = defaultdict(dict)
    tags: dict[str, dict[str, str]] = defaultdict(dict)
    history: dict[str, dict[int, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for run, key, value in db.execute("SELECT run_uuid, key, value FROM params"):
        parameters[run][key] = plain(str(value))
    for run, key, value in db.execute("SELECT run_uuid, key, value FROM tags"):
        tags[run][key] = str(value)
    columns = "run_uuid, step, key, CASE WHEN is_nan THEN NULL ELSE value END"
    for run, step, key, value in db.execute(f"SELECT {columns} FROM metrics ORDER BY timestamp"):
        history[run][int(step)][key] = float("nan") if value is None else float(value)
    found = db.execute(
        "SELECT run_uuid, name, status FROM runs WHERE lifecycle_stage = 'active' ORDER BY 1"
    )
    return [
        _foreign(
            f"{path.name}, run {shown(run)}",
            name,
            status == ENDED,
            parameters[run],
            tags[run],
            history[run],
        )
        for run, name, status in found
    ]


def read_mlruns(path: Path) -> list[Foreign]:
    """Return the runs of a folder ``mlruns``: EXPERIMENT/RUN with ``meta.yaml``, a file a parameter
    and tag, and a file a metric, whose lines are time, value and step.

    Raises:
        InputError: It has no run, or a file cannot be read.
    """
    return checked(path, [_of_folder(path, meta.parent) for meta in find_meta(path)])


def find_meta(path: Path) -> list[Path]:
    """Return the files ``meta.yaml`` of the runs in a folder."""
    found = (each for each in sorted(path.glob("*/*/meta.yaml")) if not each.is_symlink())
    return [each for each in found if (each.parent / "metrics").is_dir()]


def _of_folder(root: Path, run: Path) -> Foreign:
    lines = (line.partition(":") for line in _text(run / "meta.yaml").splitlines())
    meta = {key.strip(): value.strip().strip("'\"") for key, _, value in lines}
    status = meta.get("status", "")
    history: dict[int, dict[str, float]] = defaultdict(dict)
    for name, text in _files(run / "metrics"):
        for line in text.splitlines():
            try:
                _, value, *step = line.split()
                history[int(step[0]) if step else 0][name] = float(value)
            except (ValueError, IndexError) as error:
                raise unreadable(run / "metrics" / name, error) from error
    return _foreign(
        run.relative_to(root).as_posix(),
        meta.get("run_name", ""),
        _STATUSES.get(status, status) == ENDED,
        {name: plain(text) for name, text in _files(run / "params")},
        dict(_files(run / "tags")),
        history,
    )


def _files(folder: Path) -> list[tuple[str, str]]:
    """Return the files in a folder, and in those in it, by their paths there."""
    paths = sorted(folder.rglob("*")) if folder.is_dir() else []
    return [
        (path.relative_to(folder).as_posix(), _text(path).strip())
        for path in paths
        if path.is_file() and not path.is_symlink()
    ]


def _text(path: Path) -> str:
    return read_small(path).decode("utf-8", "replace")


def _foreign(
    where: str,
    name: str | None,
    ended: bool,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    history: Mapping[int, Mapping[str, float]],
) -> Foreign:
    summary: dict[str, float] = {}
    for step in sorted(history):
        summary |= history[step]
    own = {key: value for key, value in tags.items() if not key.startswith("mlflow.")}
    told = name or tags.get("mlflow.runName", "")
    return Foreign(where, told, ended, dict(parameters), own, dict(history), summary)


def is_search(table: Table) -> bool:
    """Return whether a table is what `mlflow.search_runs` returns."""
    return any(name.startswith("metrics.") for name in table.columns) and "status" in table.columns


def read_search(path: Path, table: Table) -> list[Foreign]:
    """Return the runs of such a table; it tells no figures by epoch."""
    found = []
    for number, row in enumerate(table.rows, 1):
        parts: dict[str, dict[str, str]] = {"params": {}, "metrics": {}, "tags": {}}
        for column, cell in row.items():
            kind, _, key = column.partition(".")
            if kind in parts and key and cell:
                parts[kind][key] = cell
        values = {key: plain(cell) for key, cell in parts["metrics"].items()}
        figures = {k: float(v) for k, v in values.items() if isinstance(v, int | float)}
        name = parts["tags"].get("mlflow.runName", "")
        where = f"{path.name}, row {number}"
        asked = {key: plain(cell) for key, cell in parts["params"].items()}
        tags = {key: tag for key, tag in parts["tags"].items() if not key.startswith("mlflow.")}
        ended = row["status"] == ENDED
        finite = {key: value for key, value in figures.items() if isfinite(value)}
        found.append(Foreign(where, name, ended, asked, tags, summary=finite))
    return checked(path, found)
