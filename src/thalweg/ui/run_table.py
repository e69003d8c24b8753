"""The runs of a study as a table to filter, sort and group, by DuckDB."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl
from scipy.special import stdtrit

from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.store.assemble import describe_runs
from thalweg.store.files import DamagedError
from thalweg.store.results import RUNS
from thalweg.ui.pulse import Beat
from thalweg.ui.spec_keys import spec_frame
from thalweg.validation import unknown

ASKED = ("hyperparameters", "axes", "task", "model", "optimizer", "lr", "batch_size", "rows")
"""Columns of the ``runs`` frame that the spec's keys stand for."""

FIRST = ("run", "arm", "point", "seed", "status")

MOST_USUAL = 4
"""Keys of specs that are shown unless others are asked for."""

FIGURES = (
    *("epochs", "validation_accuracy", "validation_loss", "test_accuracy", "test_loss"),
    *("train_loss", "kept", "seconds"),
)
"""Other columns that are shown so, where any run has them."""

OPERATORS = {
    "eq": "=",
    "ne": "≠",
    "lt": "<",
    "le": "≤",
    "gt": ">",
    "ge": "≥",
    "has": "contains",
}
"""What a filter may compare by, as the address and as the page have it."""

_SQL = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}

OF_GROUPS = ("mean", "low", "high", "runs", "done", "diverged", "least", "greatest")
"""What is told of a group beside its keys. To order runs by it, or groups by a figure of runs, is
no order: the page keeps it when its reader goes from the one to the other.
"""

LEVEL = 0.95
"""Of the intervals of groups."""


@dataclass(frozen=True)
class Filter:
    """A condition that rows must meet.

    Attributes:
        key: Column.
        operator: One of `OPERATORS`.
        value: As the reader wrote it.
    """

    key: str
    operator: str
    value: str


@dataclass(frozen=True)
class Order:
    """By which column rows stand, and whether the largest come first."""

    key: str
    falling: bool


class RunTable:
    """The runs of a study, one row an arm, grid point and seed.

    Args:
        frame: Columns of the ``runs`` frame and the keys of the specs.
        spec_keys: Which columns are keys of the specs.
    """

    def __init__(self, frame: pl.DataFrame, spec_keys: Sequence[str]) -> None:
        self.frame = frame
        self.spec_keys = tuple(spec_keys)
        self._lock = threading.Lock()
        self._alive: tuple[str, pl.DataFrame] = ("", frame)

    def with_beats(self, beats: Mapping[str, Beat], mark: str) -> "Rows":
        """Return the rows as they are now: which are in training, and how many epochs they have.

        Args:
            beats: Of the runs.
            mark: Changes when they do.
        """
        with self._lock:
            if self._alive[0] != mark:
                self._alive = (mark, self._joined(beats))
            return Rows(self._alive[1], self.spec_keys)

    def _joined(self, beats: Mapping[str, Beat]) -> pl.DataFrame:
        training = {run: beat.epoch for run, beat in beats.items() if beat.state == "training"}
        states = {run: beat.state for run, beat in beats.items()}
        missing = pl.col("status") == "missing"
        state = pl.col("run").replace_strict(states, default="missing", return_dtype=pl.String)
        epoch = pl.col("run").replace_strict(training, default=None, return_dtype=pl.Int64)
        return self.frame.with_columns(
            # what the checksums refuse is damaged, though its status says that it is complete
            pl.when(missing & state.is_in(["done", "diverged"]))
            .then(pl.lit("damaged"))
            .when(missing)
            .then(state)
            .otherwise(pl.col("status"))
            .alias("status"),
            pl.when(missing).then(epoch).otherwise(pl.col("epochs")).alias("epochs"),
        )


@dataclass(frozen=True)
class Window:
    """Some of the rows that were asked for.

    Attributes:
        frame: The rows.
        total: How many there are in all.
    """

    frame: pl.DataFrame
    total: int


@dataclass(frozen=True)
class Rows:
    """The rows of a `RunTable` at a moment."""

    frame: pl.DataFrame
    spec_keys: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        return self.frame.columns

    @property
    def varied(self) -> list[str]:
        """Keys of the specs in which the runs differ."""
        return [key for key in self.spec_keys if self.frame[key].n_unique() > 1]

    @property
    def numeric(self) -> list[str]:
        return [name for name, kind in self.frame.schema.items() if kind.is_numeric()]

    def usual(self) -> list[str]:
        """Return the columns that are shown unless others are asked for."""
        frame, half = self.frame, len(self.frame) / 2
        telling = [key for key in self.varied if frame[key].null_count() <= half]
        return [
            *(name for name in FIRST if name != "point"),
            *telling[:MOST_USUAL],
            *(name for name in FIGURES if frame[name].null_count() < len(frame)),
        ]

    def window(
        self,
        filters: Sequence[Filter],
        order: Order | None,
        columns: Sequence[str],
        limit: int | None = None,
        offset: int = 0,
    ) -> Window:
        """Return some of the rows that meet all filters, null last whichever way they stand.

        Raises:
            InputError: A column is unknown, or a value is of the wrong kind.
        """
        where, values = self._where(filters)
        by = ""
        if order is not None and order.key not in OF_GROUPS:
            way = "DESC" if order.falling else "ASC"
            by = f"{self._name(order.key, 'sort')} {way} NULLS LAST, "
        names = ", ".join(self._name(name, "column") for name in columns)
        some = "" if limit is None else f" LIMIT {int(limit)} OFFSET {int(offset)}"
        with self._connected() as connection:
            counted = connection.sql(f"SELECT count(*) FROM runs {where}", params=values).fetchall()
            found: pl.DataFrame = connection.sql(
                f"SELECT {names} FROM runs {where} ORDER BY {by}__row{some}", params=values
            ).pl()
        return Window(found, counted[0][0])

    def grouped(
        self,
        filters: Sequence[Filter],
        keys: Sequence[str],
        metric: str,
        order: Order | None = None,
    ) -> pl.DataFrame:
        """Return a row for every combination of values that some columns have: how many runs,
        how many of them done and diverged, and of those that are done the mean of a figure with
        its 95 % Student t interval (`thalweg.study.statistics.mean_interval`), least and greatest.

        The rows of different arms and points are pooled where the keys do not tell them apart.

        Raises:
            InputError: A column is unknown, the metric is no number, or a value is of the wrong
                kind.
        """
        where, values = self._where(filters)
        if metric not in self.numeric:
            raise InputError(unknown("metric", metric, self.numeric))
        names = ", ".join(self._name(key, "group") for key in keys)
        figure = f"{_quoted(metric)}) FILTER (status = 'done')"
        with self._connected() as connection:
            found: pl.DataFrame = connection.sql(
                f"SELECT {names}, count(*) AS runs, count({figure} AS __n, "
                "count(*) FILTER (status = 'diverged') AS diverged, "
                f"avg({figure} AS mean, stddev_samp({figure} AS __s, "
                f"min({figure} AS least, max({figure} AS greatest "
                f"FROM runs {where} GROUP BY {names} ORDER BY {names}",
                params=values,
            ).pl()
        n = found["__n"].to_numpy()
        t = stdtrit((n - 1).clip(1), (1 + LEVEL) / 2)
        half = pl.when(pl.col("__n") > 1).then(
            pl.Series(t) * pl.col("__s") / pl.col("__n").cast(pl.Float64).sqrt()
        )
        frame = found.with_columns(
            pl.col("__n").alias("done"),
            (pl.col("mean") - half).alias("low"),
            (pl.col("mean") + half).alias("high"),
        ).select(*keys, *OF_GROUPS)
        if order is None or order.key not in frame.columns:
            return frame
        return frame.sort(order.key, descending=order.falling, nulls_last=True, maintain_order=True)

    def _connected(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.register("runs", self.frame.with_row_index("__row"))
        return connection

    def _name(self, name: str, what: str) -> str:
        if name not in self.frame.columns:
            raise InputError(unknown(what, name, self.frame.columns))
        return _quoted(name)

    def _where(self, filters: Sequence[Filter]) -> tuple[str, list[Any]]:
        """Return the filters as SQL, and the values that stand for its question marks."""
        conditions, values = [], []
        for each in filters:
            name = self._name(each.key, "key")
            if each.operator not in OPERATORS:
                raise InputError(unknown("operator", each.operator, OPERATORS))
            if each.operator == "has":
                conditions.append(f"contains(lower(CAST({name} AS VARCHAR)), lower(?))")
                values.append(each.value)
            else:
                conditions.append(f"{name} {_SQL[each.operator]} ?")
                values.append(self._value(each))
        return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), values

    def _value(self, each: Filter) -> Any:
        kind = self.frame.schema[each.key]
        if kind.is_numeric():
            try:
                return float(each.value)
            except ValueError:
                raise InputError(
                    f"value {each.value!r}: must be a number, as {each.key} is"
                ) from None
        if kind == pl.Boolean:
            if each.value not in ("true", "false"):
                raise InputError(f"value {each.value!r}: must be true or false, as {each.key} is")
            return each.value == "true"
        return each.value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def read_run_table(store: Store, record: Mapping[str, Any]) -> RunTable:
    """Read the runs that the record of a study names, through the store's index."""
    entries = record["runs"]
    places = [{key: entry[key] for key in ("run", "arm", "point", "seed")} for entry in entries]
    schema = {key: RUNS[key] for key in ("run", "arm", "point", "seed")}
    ids = list(dict.fromkeys(entry["run"] for entry in entries))
    described = describe_runs(store, ids, ()).drop("seed")
    frame = (
        pl.DataFrame(places, schema=schema)
        .join(described, on="run", how="left", maintain_order="left")
        .select(name for name in RUNS if name not in ASKED)
    )
    asked = _specs(store, entries)
    places_of = pl.DataFrame(
        list(asked), schema={"arm": pl.String, "point": pl.String}, orient="row"
    )
    specs = spec_frame([*asked.values()])
    keys = [name for name in specs.columns if name not in frame.columns]
    frame = frame.join(
        pl.concat([places_of, specs.select(keys)], how="horizontal"),
        on=["arm", "point"],
        how="left",
        maintain_order="left",
    )
    frame = frame.select(*FIRST, *keys, *(n for n in frame.columns if n not in (*FIRST, *keys)))
    return RunTable(frame, keys)


def _specs(
    store: Store, entries: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], dict[str, Any] | None]:
    """Return a spec for each arm and grid point, whose runs were asked the same but for the seed;
    None where none can be read.
    """
    found: dict[tuple[str, str], dict[str, Any] | None] = {}
    for entry in entries:
        place = entry["arm"], entry["point"]
        if found.get(place) is None:
            try:
                found[place] = store.run(entry["run"]).spec()
            except DamagedError:
                found[place] = None
    return found
