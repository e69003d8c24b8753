"""Put the frames of a study together from the run directories."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import polars as pl

from thalweg.errors import InputError
from thalweg.store.files import DamagedError, read_text, warn_damaged
from thalweg.store.index import describe_all, stack
from thalweg.store.probes import grids, probe_figures, probe_rows
from thalweg.store.results import CONFUSION, METRICS, PROBES, ROUNDS, RUNS, StudyResults
from thalweg.store.rounds import round_rows, sparsity_figures
from thalweg.store.run_directory import COMPLETE, RunDirectory
from thalweg.store.series import read_series
from thalweg.store.store import Store
from thalweg.validation import unknown

AS_JSON = ("class_names", "machine", "versions", "source", "warnings")
"""What a status tells of its run that is no figure; a column of JSON each."""

DESCRIBED = {
    **{key: kind for key, kind in RUNS.items() if key not in ("arm", "point", "axes")},
    "own_steps": pl.Int64,
    "own_epochs": pl.Float64,
    "layers": pl.String,
    "status_task": pl.String,
    **dict.fromkeys(AS_JSON, pl.String),
    "finished": pl.String,
}
"""Columns of what `describe` tells of a run, whatever study it is of."""


def read_results(store: Store, name: str) -> StudyResults:
    """Read the results of a study, complete or not. A run of which a file is damaged counts as
    missing, with a warning.

    Raises:
        InputError: The store holds no such study.
        DamagedError: Its record is.
    """
    folder = store.study_folder(name)
    if not (folder / "study.json").exists():
        raise InputError(f"{store.root}: {unknown('study', name, store.studies())}")
    record = store.record(name)
    rounds = record.get("rounds", [])
    described = describe_runs(store, (entry["run"] for entry in [*record["runs"], *rounds]))
    frame = _runs_frame(record, described)
    own = frame.select("run").unique(maintain_order=True).join(described, on="run", how="left")
    statuses = own.filter(pl.col("status").is_in(COMPLETE))
    complete = statuses["run"].to_list()
    of_rounds = as_rows(described, (entry["run"] for entry in rounds))
    measured = probe_figures(record, store)
    return StudyResults(
        name=record["name"],
        title=record["title"],
        question=record["question"],
        runs=frame,
        metrics=stack(store, complete, "metrics", METRICS),
        confusion=stack(store, complete, "confusion", CONFUSION),
        class_names=_class_names(statuses),
        selection=_selection(frame),
        provenance=_provenance(record, read_text(folder / "study.toml"), statuses),
        targets=record.get("targets", {}),
        rounds=pl.DataFrame(round_rows(rounds, of_rounds), schema=ROUNDS),
        masks={
            entry["run"]: path
            for entry in rounds
            if of_rounds[entry["run"]]["status"] in COMPLETE
            and (path := store.run(entry["run"]).masks_path).exists()
        },
        probes=pl.DataFrame(probe_rows(record["runs"], measured), schema=PROBES),
        grids=grids(measured),
        series=read_series(record["runs"], record, store),
        round_probes=pl.DataFrame(probe_rows(rounds, measured), schema=PROBES),
        round_series=read_series(rounds, record, store),
    )


def describe_runs(
    store: Store, ids: Iterable[str], files: Collection[str] | None = None
) -> pl.DataFrame:
    """Return runs as rows of `DESCRIBED`, each once: as `describe` does, through the index."""
    distinct = list(dict.fromkeys(ids))
    return describe_all(store, distinct, files, DESCRIBED, lambda run: describe(run, files))


def as_rows(described: pl.DataFrame, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return some of the rows of `describe_runs` by run, as `describe` returns them."""
    wanted = pl.DataFrame({"run": list(ids)}, schema={"run": pl.String})
    rows = {}
    for row in described.join(wanted, on="run", how="semi").iter_rows(named=True):
        found = {key: value for key, value in row.items() if value is not None}
        if found["status"] in COMPLETE:  # these two may be unknown of an imported run
            found |= {key: row[key] for key in ("own_steps", "own_epochs")}
        if "layers" in found:
            found["layers"] = json.loads(found["layers"])
        rows[row["run"]] = found
    return rows


def describe(run: RunDirectory, files: Collection[str] | None = None) -> dict[str, Any]:
    """Return one run as a row: what was asked, and what came out.

    One of which the spec, the status or one of some files is damaged counts as missing, with a
    warning.

    Args:
        run: The run.
        files: Files that are to be as they were written; None for all that it ended with.
    """
    try:
        status = _status(run, files)
        spec = run.spec() if _was_asked(run, status) else None
    except DamagedError as error:
        warn_damaged(error, "the run counts as missing")
        status, spec = {"status": "missing"}, _spec_if_whole(run)
    row = {"run": run.id, **status}
    if status["status"] not in (*COMPLETE, "failed"):
        row["status"] = "missing"
    if spec is None:
        return row
    hyperparameters = {k: v for k, v in spec["optimizer"].items() if k not in ("name", "code")}
    batch_size = spec["train"]["batch_size"]
    figures = sparsity_figures(spec, status) if row["status"] in COMPLETE else {}
    if "layers" in figures:
        figures["layers"] = json.dumps(figures["layers"])
    return {
        **row,
        **{key: json.dumps(row[key], sort_keys=True) for key in AS_JSON if key in row},
        "status_task": row.get("task"),
        "task": None if spec["task"] is None else spec["task"]["name"],
        "model": None if spec["model"] is None else spec["model"]["name"],
        "optimizer": spec["optimizer"]["name"],
        "hyperparameters": json.dumps(hyperparameters),
        "lr": hyperparameters.get("lr"),
        "batch_size": None if batch_size is None else str(batch_size),
        "seed": spec["seed"],
        **figures,
    }


def _status(run: RunDirectory, files: Collection[str] | None) -> dict[str, Any]:
    """Return the status of a run whose files are as they were written."""
    status = run.status()
    if status["status"] in COMPLETE:
        for fault in run.faults(status, files):
            raise fault
    return status


def _was_asked(run: RunDirectory, status: Mapping[str, Any]) -> bool:
    """Return whether there is a spec, as there must be of a complete run."""
    return status["status"] in COMPLETE or (run.path / "spec.json").exists()


def _spec_if_whole(run: RunDirectory) -> dict[str, Any] | None:
    try:
        return run.spec()
    except DamagedError:
        return None


def _runs_frame(record: Mapping[str, Any], described: pl.DataFrame) -> pl.DataFrame:
    """Return the ``runs`` frame, one row a run of a study's record."""
    places = [
        {
            **{key: entry[key] for key in ("run", "arm", "point", "seed")},
            "axes": json.dumps(entry["axes"]),
        }
        for entry in record["runs"]
    ]
    schema = {key: RUNS[key] for key in ("run", "arm", "point", "seed", "axes")}
    frame = (
        pl.DataFrame(places, schema=schema)
        .join(described.drop("seed"), on="run", how="left", maintain_order="left")
        .select(*RUNS)
    )
    if frame["optimizer"].null_count() == 0:
        return frame
    return pl.DataFrame(_like_mates(frame.to_dicts(), record.get("points", [])), schema=RUNS)


def _like_mates(
    rows: list[dict[str, Any]], points: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rows, with what was asked of a run whose spec cannot be read from one of the same
    arm and point, which was asked the same but for the seed; the names of what was asked where no
    run of a point was begun.
    """
    names = ("task", "model", "optimizer")
    asked = (*names, "hyperparameters", "lr", "batch_size")
    mates = {(each["arm"], each["point"]): {key: each[key] for key in names} for each in points}
    mates |= {
        (row["arm"], row["point"]): {key: row[key] for key in asked}
        for row in rows
        if row["optimizer"] is not None
    }
    return [
        row
        if row["optimizer"] is not None
        else {**row, **mates.get((row["arm"], row["point"]), {})}
        for row in rows
    ]


def _selection(runs: pl.DataFrame) -> str:
    """Return the figure grid points are chosen by: on validation wherever every run has it."""
    done = runs.filter(pl.col("status") == "done")
    candidates = ("validation_accuracy", "validation_loss", "test_accuracy")
    for name in candidates:
        if len(done) and done[name].null_count() == 0:
            return name
    return "test_loss" if len(done) else "validation_loss"


def _class_names(statuses: pl.DataFrame) -> dict[str, list[str]]:
    pairs = statuses.select("status_task", "class_names").unique(maintain_order=True).iter_rows()
    names = {task: json.loads(classes) for task, classes in pairs}
    return {task: classes for task, classes in names.items() if classes}


def _provenance(record: Mapping[str, Any], toml: str, statuses: pl.DataFrame) -> dict[str, Any]:
    def distinct(key: str) -> list[Any]:
        return [json.loads(text) for text in statuses[key].drop_nulls().unique().sort()]

    machines, versions, sources = distinct("machine"), distinct("versions"), distinct("source")
    warnings = list(record.get("notes", []))
    warnings += [text for texts in distinct("warnings") for text in texts]
    for what, found in (("machines", machines), ("versions", versions), ("sources", sources)):
        if len(found) > 1:
            warnings.append(f"the runs come from {len(found)} different {what}")
    return {
        "command": record["command"],
        "search": record.get("search", {}),
        "groups": record.get("groups", {}),
        "sequential": record.get("sequential"),
        "study_file": toml,
        "source": ", ".join(sources),
        "versions": versions[0] if versions else {},
        "machine": machines[0] if machines else {},
        "started": record["started"],
        "finished": statuses["finished"].max() or "",
        "warnings": list(dict.fromkeys(warnings)),
    }
