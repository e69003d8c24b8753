"""Runs in what W&B leaves: folders of offline runs, exports as JSON, a table of runs."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from thalweg.audit.read.folder import LARGEST
from thalweg.audit.read.tables import Table
from thalweg.errors import InputError
from thalweg.imports.columns import metric_of
from thalweg.imports.foreign import (
    Foreign,
    checked,
    flat,
    numbers,
    plain,
    read_small,
    unreadable,
)
from thalweg.trackers.wandb_files import WandbFile, read_wandb_file

FINISHED = "finished"

ABOUT = ("Name", "State", "ID", "Notes", "User", "Tags", "Created", "Runtime", "Sweep", "Group")
"""Columns of a table of runs that are neither asked nor measured."""


def read_offline(paths: Sequence[Path]) -> list[Foreign]:
    """Return the runs of files ``run-ID.wandb``; of a run that was interrupted there are several.

    Raises:
        InputError: One cannot be read.
    """
    parts: dict[str, list[tuple[Path, WandbFile]]] = defaultdict(list)
    for path in sorted(paths):
        if path.stat().st_size > LARGEST:
            raise InputError(
                f"{path}: is larger than {LARGEST // 2**20} MiB, the most that is read"
            )
        found = read_wandb_file(path)
        parts[found.id or path.stem].append((path, found))
    return [
        _foreign(
            files[0][0].name,
            files[-1][1].name,
            any(file.exit_code == 0 for _, file in files),
            files[-1][1].config,
            [row for _, file in files for row in file.history],
            {key: value for _, file in files for key, value in file.summary.items()},
        )
        for files in parts.values()
    ]


def read_json_export(path: Path) -> list[Foreign]:
    """Return the runs of a JSON list, or of JSON lines: objects with ``name``, ``state``,
    ``config``, ``summary`` and, as `Run.history` returns them, ``history``.

    Raises:
        InputError: It is none.
    """
    try:
        text = read_small(path).decode("utf-8")
        listed = path.suffix == ".json"
        objects = json.loads(text) if listed else list(map(json.loads, text.splitlines()))
    except (ValueError, RecursionError) as error:
        raise unreadable(path, error) from error
    if not isinstance(objects, list) or not all(_is_run(each) for each in objects):
        raise InputError(
            f"{path}: must be a list of runs, objects with config, summary and history"
        )
    return checked(
        path,
        [
            _foreign(
                f"{path.name}, run {number}",
                str(each.get("name") or each.get("id") or ""),
                each.get("state", FINISHED) == FINISHED,
                each["config"],
                each.get("history") or [],
                each.get("summary") or {},
            )
            for number, each in enumerate(objects, 1)
        ],
    )


def _is_run(told: Any) -> bool:
    if not isinstance(told, Mapping) or not isinstance(told.get("config"), Mapping):
        return False
    history = told.get("history") or []
    rows = isinstance(history, list) and all(isinstance(row, Mapping) for row in history)
    return rows and isinstance(told.get("summary") or {}, Mapping)


def _foreign(
    where: str,
    name: str,
    ended: bool,
    config: Mapping[str, Any],
    history: Iterable[Mapping[str, Any]],
    summary: Mapping[str, Any],
) -> Foreign:
    asked = {key: value for key, value in config.items() if not key.startswith("_")}
    if asked and all(isinstance(v, Mapping) and "value" in v for v in asked.values()):
        asked = {key: value["value"] for key, value in asked.items()}  # as in config.yaml
    own = asked.pop("thalweg", None)
    rows: dict[int, dict[str, float]] = defaultdict(dict)
    for number, row in enumerate(history):
        step = row.get("_step", number)
        rows[int(step) if isinstance(step, int | float) else number] |= _figures(row)
    tags = {
        str(key): str(value) for key, value in (own if isinstance(own, Mapping) else {}).items()
    }
    status = summary.get("status")
    if tags and isinstance(status, str):
        told = ("status", "message", "backend", "device", "finished")
        tags |= {key: str(summary[key]) for key in told if key in summary}
    return Foreign(
        where,
        name,
        ended,
        dict(flat(asked)),
        {f"thalweg.{key}": value for key, value in tags.items()},
        dict(rows),
        _figures(dict(flat(summary))),
    )


def _figures(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the figures of a row; JSON tells those that are not finite as texts."""
    words = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
    told = {
        key: words.get(value, value) if isinstance(value, str) else value
        for key, value in row.items()
    }
    return numbers({key: value for key, value in told.items() if not key.startswith("_")})


def is_runs_table(table: Table) -> bool:
    """Return whether a table is what W&B's page of runs is exported as."""
    return {"Name", "State"} <= set(table.columns)


def read_runs_table(path: Path, table: Table) -> list[Foreign]:
    """Return the runs of such a table. It does not tell what was asked from what came out: columns
    of losses and accuracies are figures, all others were asked.
    """
    found = []
    for number, row in enumerate(table.rows, 1):
        values = {k: plain(v) for k, v in row.items() if v and k not in ABOUT}
        figures = {k: v for k, v in numbers(values).items() if metric_of(k) not in (None, "lr")}
        asked = {key: value for key, value in values.items() if key not in figures}
        ended = row["State"] == FINISHED
        where = f"{path.name}, row {number}"
        found.append(Foreign(where, row["Name"], ended, asked, summary=figures))
    return checked(path, found)
