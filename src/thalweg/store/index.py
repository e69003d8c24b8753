"""The index of a store: what the files of complete runs say, in a few that are quick to read.

A run is several small files, so a store of thousands takes long to read. What was read of a
complete run, and was as it had been written, is kept in ``OUT/index`` beside size, inode and times
of change of the files that it was read from. An entry is believed as long as these are the same:
the system sets the time of change whenever a file is written. Anything else is read and checked as
if there were no index, which may be deleted at any time.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from thalweg.cohort.seal import OPEN, seal
from thalweg.errors import ThalwegError
from thalweg.store.files import DamagedError, write_whole
from thalweg.store.parquet import read_parquet
from thalweg.store.run_directory import COMPLETE, FILES, RunDirectory
from thalweg.store.state import FileState, file_state
from thalweg.store.store import Store

Row = dict[str, Any]

FORMAT = 1
"""Version of the index; one of another version is not read."""

RECORDS = ("spec.json", "status.json")
"""Files of every run."""

RESULTS = ("metrics.parquet", "confusion.parquet", "final.safetensors", "masks.safetensors")
"""Files that a run may end with."""


_STATE = "state"
"""Column of the state of the file that a row is from."""


class _Table:
    """A file of the index."""

    def __init__(self, store: Store, name: str, schema: Mapping[str, Any]) -> None:
        self._path = store.root / "index" / f"{name}-{FORMAT}.parquet"
        self._schema = dict(schema)

    def read(self) -> pl.DataFrame:
        """Return the table; an empty one where there is none that can be used."""
        if self._path.exists():
            with suppress(DamagedError):
                found = read_parquet(self._path)
                if dict(found.schema) == self._schema:
                    return found
        return pl.DataFrame(schema=self._schema)

    def write(self, frame: pl.DataFrame) -> None:
        """Keep the table, if the store can be written."""
        buffer = BytesIO()
        frame.write_parquet(buffer, metadata={"seal": OPEN})
        with suppress(ThalwegError):
            write_whole(self._path, seal(buffer.getvalue()))


def describe_all(
    store: Store,
    ids: Sequence[str],
    names: Collection[str] | None,
    schema: Mapping[str, Any],
    describe: Callable[[RunDirectory], Row],
) -> pl.DataFrame:
    """Return one row a run, in no order.

    Args:
        store: Where the runs lie.
        ids: Of the runs, each once.
        names: Files, beside the records, that must be as they were written; None for all.
        schema: Columns, ``run`` and ``status`` among them.
        describe: Reads a run and checks these files; its row of a complete run has `FILES` too,
            unless an older version wrote the run.
    """
    states = dict.fromkeys((FILES, *RECORDS, *RESULTS), pl.String)
    table = _Table(store, "runs", {**schema, **states})
    kept = table.read()
    known = {run_id: _Seen(*seen) for run_id, *seen in kept.select("run", *states).iter_rows()}
    wanted = [name for name in RESULTS if names is None or name in names]
    good: list[str] = []
    fresh: list[Row] = []
    entered: list[Row] = []
    for run_id in ids:
        folder = _folder(store, run_id)
        before = known.get(run_id)
        if before is not None and before.holds(folder, wanted):
            good.append(run_id)
            continue
        now = {name: file_state(folder + name) for name in (*RECORDS, *wanted)}
        found = describe(store.run(run_id))
        fresh.append({key: found.get(key) for key in schema})
        if found["status"] in COMPLETE and FILES in found:
            seen = _Seen.of(found[FILES], now, before)
            if seen is not None:
                entered.append({**fresh[-1], **seen.row()})
    if entered:
        frame = pl.DataFrame(entered, schema=kept.schema)
        table.write(pl.concat([kept.join(frame, on="run", how="anti"), frame]))
    chosen = pl.DataFrame({"run": good}, schema={"run": pl.String})
    rows = kept.join(chosen, on="run", how="semi").select(*schema)
    return pl.concat([rows, pl.DataFrame(fresh, schema=dict(schema))])


def stack(store: Store, ids: Sequence[str], name: str, schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return the rows of the same table of complete runs, in the order of these.

    Args:
        store: Where they lie.
        ids: Of the runs, each once; their tables have been found to be as they were written.
        name: Of the table; runs without it have no rows.
        schema: Columns, ``run`` among them.

    Raises:
        DamagedError: A table is none.
    """
    table = _Table(store, name, {**schema, _STATE: pl.String})
    kept = table.read()
    known = dict(kept.select("run", _STATE).unique().iter_rows())
    good: list[str] = []
    read: list[pl.DataFrame] = []
    origins: list[tuple[str, str, bool]] = []
    for run_id in ids:
        path = f"{_folder(store, run_id)}{name}.parquet"
        state = file_state(path)
        if state is None:
            continue
        if known.get(run_id) == state.text:
            good.append(run_id)
            continue
        read.append(read_parquet(Path(path)))
        origins.append((run_id, *state))
    fresh = _columns(read, origins, schema)
    settled = fresh.filter("settled").drop("settled")
    if len(settled):
        table.write(pl.concat([kept.join(settled, on="run", how="anti"), settled]))
    chosen = pl.DataFrame({"run": good}, schema={"run": pl.String})
    rows = pl.concat([kept.join(chosen, on="run", how="semi"), fresh.drop("settled")])
    order = pl.DataFrame({"run": ids}, schema={"run": pl.String})
    return order.join(rows.select(*schema), on="run", maintain_order="left_right")


def _columns(
    read: Sequence[pl.DataFrame],
    origins: Sequence[tuple[str, str, bool]],
    schema: Mapping[str, Any],
) -> pl.DataFrame:
    """Return tables of runs as one with the columns of ``schema``, null where an older file lacks
    them, and of their origins: run, state and whether it is settled.
    """
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, table in enumerate(read):
        alike[tuple(table.columns)].append(i)
    own = {"run": pl.String, _STATE: pl.String, "settled": pl.Boolean}
    columns = {**schema, **own}
    frames = [pl.DataFrame(schema=columns)]
    for names, members in alike.items():
        places = [origins[i] for i in members for _ in range(len(read[i]))]
        frame = pl.concat([read[i] for i in members], how="vertical_relaxed").with_columns(
            pl.DataFrame(places, schema=own, orient="row")
        )
        frames.append(
            frame.select(
                (pl.col(key) if key in (*names, *own) else pl.lit(None)).cast(kind).alias(key)
                for key, kind in columns.items()
            )
        )
    return pl.concat(frames)


class _Seen:
    """The files of a complete run as they were when they were checked.

    Args:
        files: Names of those that the run ended with, each with a comma behind it.
        states: Of `RECORDS` and `RESULTS`; None for one that was not checked.
    """

    def __init__(self, files: str, *states: str | None) -> None:
        self._files = files
        self._states = dict(zip((*RECORDS, *RESULTS), states, strict=True))

    @classmethod
    def of(
        cls, files: Collection[str], now: Mapping[str, FileState | None], before: "_Seen | None"
    ) -> "_Seen | None":
        """Return what was seen of a run that was checked just now; None where a file is not settled
        or of a kind unknown here.

        Args:
            files: What the run ended with.
            now: States of the files that were checked, from before they were.
            before: What was seen earlier.
        """
        checked = {name: state for name, state in now.items() if name in (*RECORDS, *files)}
        if not {*files} <= {*RESULTS}:
            return None
        if not all(state is not None and state.settled for state in checked.values()):
            return None
        states = {name: state.text for name, state in checked.items() if state is not None}
        if before is not None and all(states[name] == before._states[name] for name in RECORDS):
            states = {**{k: v for k, v in before._states.items() if v is not None}, **states}
        own = "".join(f"{name}," for name in files)
        return cls(own, *(states.get(name) for name in (*RECORDS, *RESULTS)))

    def holds(self, folder: str, names: Sequence[str]) -> bool:
        """Return whether the records, and those of some files that the run ended with, were checked
        and have not been written since.
        """
        for name in (*RECORDS, *names):
            if name in RECORDS or f"{name}," in self._files:
                before, now = self._states[name], file_state(folder + name)
                if before is None or now is None or before != now.text:
                    return False
        return True

    def row(self) -> Row:
        """Return it as columns."""
        return {FILES: self._files, **self._states}


def _folder(store: Store, run_id: str) -> str:
    return f"{store.root}/runs/{run_id}/"
