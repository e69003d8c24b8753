"""What probes have measured of runs while they trained."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from thalweg.store.files import DamagedError, warn_damaged, write_whole
from thalweg.store.parquet import parquet, read_parquet
from thalweg.store.results import SERIES
from thalweg.store.run_directory import RunDirectory
from thalweg.store.store import Store

OWN = ("step", "figure", "index", "value")
"""Columns of a run's file, whose place tells the others."""


def save_series(run: RunDirectory, file: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep what a probe has measured of a run while it trained, a row each of `OWN`."""
    write_whole(run.figures_path(file), parquet(rows, {name: SERIES[name] for name in OWN}))


def read_series(
    entries: Sequence[Mapping[str, Any]], record: Mapping[str, Any], store: Store
) -> pl.DataFrame:
    """Return series of a study; see `SERIES`. One that is damaged counts as not measured, with a
    warning.

    Args:
        entries: Of the study's record: arm, point, seed and run.
        record: The record.
        store: Where the runs lie.
    """
    files = {k: file for k, file in record.get("probes", {}).items() if file.endswith(".parquet")}
    own = list(SERIES)[:4]
    frames = []
    for entry in entries:
        for label, file in files.items():
            found = _read(store.run(entry["run"]), file)
            if found is not None:
                place = [pl.lit(entry[key]).cast(SERIES[key]).alias(key) for key in own]
                frames.append(found.select(*place, pl.lit(label).alias("probe"), *OWN))
    return pl.concat(frames) if frames else pl.DataFrame(schema=SERIES)


def _read(run: RunDirectory, file: str) -> pl.DataFrame | None:
    if not run.has_figures(file):
        return None
    try:
        return read_parquet(run.figures_path(file))
    except DamagedError as error:
        warn_damaged(error, "its figures count as not measured")
        return None
