"""SQL over the store, by DuckDB: the Parquet files are read where they lie."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import polars as pl

from thalweg.errors import InputError
from thalweg.store.assemble import describe
from thalweg.store.probes import probe_figures, probe_rows
from thalweg.store.results import METRICS, PROBES, ROUNDS, RUNS, SERIES
from thalweg.store.rounds import round_rows
from thalweg.store.run_directory import COMPLETE
from thalweg.store.series import read_series
from thalweg.store.store import Store
from thalweg.validation import brief

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
        with _connected(store, "metrics" in sql.lower()) as connection:
            relation = connection.sql(sql)
            result: pl.DataFrame | None = relation.pl() if relation is not None else None
    except duckdb.Error as error:
        raise InputError(f"query: {brief(error)} (tables: {', '.join(TABLES)})") from error
    if result is None:
        raise InputError(f"query: {sql!r}: must be a statement that returns rows")
    return result


@contextmanager
def _connected(store: Store, metrics: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    columns = {key: kind for key, kind in RUNS.items() if key not in ("arm", "point", "axes")}
    # Tables of figures are many files, so they are read only for a statement that names theirs.
    runs = [describe(run, ["metrics.parquet"] if metrics else []) for run in store.runs()]
    records = store.records()
    arms = [
        {"study": name, **{key: entry[key] for key in ("arm", "point", "seed", "run")}}
        for name, record in records.items()
        for entry in record["runs"]
    ]
    described = {run["run"]: run for run in runs}
    rounds = [
        {"study": name, **row}
        for name, record in records.items()
        for row in round_rows(record.get("rounds", []), described)
    ]
    probes = [
        {"study": name, **row}
        for name, record in records.items()
        for row in probe_rows(record["runs"], probe_figures(record, store))
    ]
    series = [pl.DataFrame(schema={"study": pl.String, **SERIES})] + [
        read_series(record["runs"], record, store).select(pl.lit(name).alias("study"), pl.all())
        for name, record in records.items()
    ]
    schema = dict.fromkeys(("study", "arm", "point"), pl.String)
    connection = duckdb.connect()
    try:
        rows = [{key: run.get(key) for key in columns} for run in runs]
        connection.register("runs", pl.DataFrame(rows, schema=columns))
        arm_schema = {**schema, "seed": pl.Int64, "run": pl.String}
        connection.register("arms", pl.DataFrame(arms, schema=arm_schema))
        round_schema = {"study": pl.String, **ROUNDS}
        connection.register("rounds", pl.DataFrame(rounds, schema=round_schema))
        probe_schema = {"study": pl.String, **PROBES}
        connection.register("probes", pl.DataFrame(probes, schema=probe_schema))
        connection.register("series", pl.concat(series))
        # A run that was to be pruned from one that diverged took no step and has no table.
        trained = [run for run in runs if run["status"] in COMPLETE and run["steps"] != 0]
        complete = [run["run"] for run in trained if metrics]
        connection.register("no_metrics", pl.DataFrame(schema=METRICS))
        view = "CREATE VIEW metrics AS SELECT * FROM no_metrics"
        if complete:
            paths = [str(store.run(run_id).path / "metrics.parquet") for run_id in complete]
            quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
            # The empty frame adds, as nulls, what older files lack.
            view += (
                " UNION ALL BY NAME SELECT parse_path(filename)[-2] AS run, * EXCLUDE filename "
                f"FROM read_parquet([{quoted}], filename = true, union_by_name = true)"
            )
        connection.execute(view)
        yield connection
    finally:
        connection.close()
