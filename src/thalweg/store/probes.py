"""What probes have measured of runs, as rows of a frame."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from typing import Any

from thalweg.store.files import DamagedError, warn_damaged
from thalweg.store.run_directory import RunDirectory
from thalweg.store.store import Store

Row = dict[str, Any]

Measured = tuple[str, str]
"""A run's id and a probe's label."""


def probe_figures(record: Mapping[str, Any], store: Store) -> dict[Measured, dict[str, Any]]:
    """Return what the probes of a study, whose record is given, have left; figures that are damaged
    count as not measured, with a warning.
    """
    return {
        (run_id, label): figures
        for run_id in dict.fromkeys(
            entry["run"] for entry in [*record["runs"], *record.get("rounds", [])]
        )
        for label, file in record.get("probes", {}).items()
        if file.endswith(".json")  # the others are series
        if (figures := _read(store.run(run_id), file)) is not None
    }


def _read(run: RunDirectory, file: str) -> dict[str, Any] | None:
    try:
        return run.figures(file)
    except DamagedError as error:
        warn_damaged(error, "these figures count as not measured")
        return None


def probe_rows(
    entries: Sequence[Mapping[str, Any]], figures: Mapping[Measured, Mapping[str, Any]]
) -> list[Row]:
    """Return one row a figure; see `thalweg.store.results.PROBES`.

    Args:
        entries: Of a study's record: arm, point, seed and run.
        figures: What `probe_figures` has found of their runs.
    """
    by_run: dict[str, list[Row]] = defaultdict(list)
    for (run_id, label), found in figures.items():
        by_run[run_id] += [{"probe": label, **row} for row in _figures(found)]
    return [
        {**{key: entry[key] for key in ("run", "arm", "point", "seed")}, **row}
        for entry in entries
        for row in by_run[entry["run"]]
    ]


def grids(figures: Mapping[Measured, Mapping[str, Any]]) -> dict[Measured, dict[str, Any]]:
    """Return the figures of which one is a list of lists or of names, which no row holds."""
    return {
        measured: dict(found)
        for measured, found in figures.items()
        if any(
            isinstance(each, list) and (_nested(each) or _texts(each)) for each in found.values()
        )
    }


def _figures(figures: Mapping[str, Any]) -> Iterator[Row]:
    for name, value in figures.items():
        if not isinstance(value, list):
            yield _row(name, None, value)
        elif not _nested(value) and not _texts(value):
            yield from (_row(name, index, each) for index, each in enumerate(value))


def _texts(value: Sequence[Any]) -> bool:
    """Return whether a list holds names, such as those of layers, and no figures."""
    return any(isinstance(each, str) for each in value)


def _nested(value: Sequence[Any]) -> bool:
    return any(isinstance(each, list) for each in value)


def _row(figure: str, index: int | None, value: Any) -> Row:
    number = None if value is None or isnan(value) else float(value)
    return {"figure": figure, "index": index, "value": number}
