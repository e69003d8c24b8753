"""Rows as Parquet files, and back."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from thalweg.cohort.seal import OPEN, seal
from thalweg.store.files import DamagedError, read_bytes
from thalweg.validation import brief

MOST = 10_000_000
"""Rows beyond which a file is not believed: a few bytes of Parquet may stand for any number."""


def parquet(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> bytes:
    """Return rows as a Parquet file with the columns of ``schema``, even where there is no row;
    the run is not among them, since the file's place names it. The file carries its checksum.
    """
    columns = {name: kind for name, kind in schema.items() if name != "run"}
    buffer = BytesIO()
    pl.DataFrame(list(rows), schema=columns).write_parquet(buffer, metadata={"seal": OPEN})
    return seal(buffer.getvalue())


def read_parquet(path: Path) -> pl.DataFrame:
    """Read a Parquet file of the store.

    Raises:
        DamagedError: It is none, or not as it was written.
    """
    content = read_bytes(path)
    try:
        frame = pl.read_parquet(content, n_rows=MOST + 1)
    except (PolarsError, PanicException) as error:  # damage makes the reader of Polars panic, too
        raise DamagedError(path, brief(error)) from error
    if len(frame) > MOST:
        raise DamagedError(path, f"it has more than {MOST:,} rows")
    return frame
