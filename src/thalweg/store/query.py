"""SQL over the store, by DuckDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import polars as pl

from thalweg.errors import InputError
from thalweg.store.assemble import as_rows, describe_runs
from thalweg.store.index import stack
from thalweg.store.probes import probe_figures, probe_rows
from thalweg.store.results import METRICS, PROBES, ROUNDS, RUNS, SERIES
from thalweg.store.rounds import round_rows
from thalweg.store.run_directory import COMPLETE
from thalweg.store.series import read_series
from thalweg.store.store import Store
from thalweg.validation import brief

Record = dict[str, Any]

TABLES = {
    "runs": "one row a run: what was asked, its figures and its cost",
    "arms": "one row a study, arm, grid point and seed, with the run that answers it",
    "metrics": "one row a run and evaluated epoch",
    "probes": "one row a study, arm, grid point, seed, probe and figure it has measured",
    "series": "one row a study, arm, grid point, seed, probe, step and figure of its training",
    "rounds": "one row a study, arm, grid point, seed and round of pruning, 0 being the dense run",
}


def query(store: Store, sql: str) -> pl.DataFrame:
    """Run one SQL statement over the tables in `TABLES`.

    Raises:
        InputError: DuckDB refuses the statement; the message is its own first line.
    """
    try:
        with _connected(store, sql.lower()) as connection:
            relation = connection.sql(sql)
            result: pl.DataFrame | None = relation.pl() if relation is not None else None
    except duckdb.Error as error:
        raise InputError(f"query: {brief(error)} (tables: {', '.join(TABLES)})") from error
    if result is None:
        raise InputError(f"query: {sql!r}: must be a statement that returns rows")
    return result


@contextmanager
def _connected(store: Store, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to the tables; those that are many files are read only for a statement that names
    them.
    """
    metrics = "metrics" in sql
    checked = ["metrics.parquet"] if metrics else []
    runs = describe_runs(store, store.run_ids(), checked).sort("run")
    records = store.records()
    entries = [
        {"study": name, **{key: entry[key] for key in ("arm", "point", "seed", "run")}}
        for name, record in records.items()
        for entry in record["runs"]
    ]
    place = {"study": pl.String, "arm": pl.String, "point": pl.String}
    tables = {
        "runs": runs.select(key for key in RUNS if key not in place and key != "axes"),
        "arms": pl.DataFrame(entries, schema={**place, "seed": pl.Int64, "run": pl.String}),
        "metrics": pl.DataFrame(schema=METRICS),
        "rounds": pl.DataFrame(schema={"study": pl.String, **ROUNDS}),
        "probes": pl.DataFrame(schema={"study": pl.String, **PROBES}),
        "series": pl.DataFrame(schema={"study": pl.String, **SERIES}),
    }
    if metrics:
        complete = runs.filter(pl.col("status").is_in(COMPLETE))["run"].to_list()
        tables["metrics"] = stack(store, complete, "metrics", METRICS)
    for kind, read in (("rounds", _rounds), ("probes", _probes), ("series", _series)):
        if kind in sql and records:
            tables[kind] = pl.concat(
                read(store, record, runs).select(pl.lit(name).alias("study"), pl.all())
                for name, record in records.items()
            )
    connection = duckdb.connect()
    try:
        for name, frame in tables.items():
            connection.register(name, frame)
        yield connection
    finally:
        connection.close()


def _rounds(store: Store, record: Record, runs: pl.DataFrame) -> pl.DataFrame:
    entries = record.get("rounds", [])
    rows = as_rows(runs, (entry["run"] for entry in entries))
    return pl.DataFrame(round_rows(entries, rows), schema=ROUNDS)


def _probes(store: Store, record: Record, runs: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(probe_rows(record["runs"], probe_figures(record, store)), schema=PROBES)


def _series(store: Store, record: Record, runs: pl.DataFrame) -> pl.DataFrame:
    return read_series(record["runs"], record, store)
