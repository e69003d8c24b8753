"""What probes have measured of runs while they trained."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from thalweg.store.files import write_whole
from thalweg.store.results import SERIES
from thalweg.store.run_directory import RunDirectory, parquet
from thalweg.store.store import Store

OWN = ("step", "figure", "index", "value")
"""Columns of a run's file, whose place tells the others."""


def save_series(run: RunDirectory, file: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep what a probe has measured of a run while it trained, a row each of `OWN`."""
    write_whole(run.figures_path(file), parquet(rows, {name: SERIES[name] for name in OWN}))


def read_series(
    entries: Sequence[Mapping[str, Any]], record: Mapping[str, Any], store: Store
) -> pl.DataFrame:
    """Return series of a study; see `SERIES`.

    Args:
        entries: Of the study's record: arm, point, seed and run.
        record: The record.
        store: Where the runs lie.
    """
    files = {k: file for k, file in record.get("probes", {}).items() if file.endswith(".parquet")}
    frames = [
        pl.read_parquet(path).select(
            *(pl.lit(entry[key]).cast(SERIES[key]).alias(key) for key in list(SERIES)[:4]),
            pl.lit(label).alias("probe"),
            *OWN,
        )
        for entry in entries
        for label, file in files.items()
        if (path := store.run(entry["run"]).figures_path(file)).exists()
    ]
    return pl.concat(frames) if frames else pl.DataFrame(schema=SERIES)
