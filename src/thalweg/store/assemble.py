"""Put the frames of a study together from the run directories."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import polars as pl

from thalweg.errors import InputError
from thalweg.store.files import DamagedError, read_text, warn_damaged
from thalweg.store.parquet import read_parquet
from thalweg.store.probes import grids, probe_figures, probe_rows
from thalweg.store.results import CONFUSION, METRICS, PROBES, ROUNDS, RUNS, StudyResults
from thalweg.store.rounds import round_rows, sparsity_figures
from thalweg.store.run_directory import COMPLETE, RunDirectory
from thalweg.store.series import read_series
from thalweg.store.store import Store
from thalweg.validation import unknown


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
    runs = {entry["run"]: store.run(entry["run"]) for entry in record["runs"]}
    rounds = record.get("rounds", [])
    described = {
        run_id: describe(store.run(run_id))
        for run_id in dict.fromkeys(entry["run"] for entry in [*record["runs"], *rounds])
    }
    rows = [
        {
            **described[entry["run"]],
            "arm": entry["arm"],
            "point": entry["point"],
            "axes": json.dumps(entry["axes"]),
            "seed": entry["seed"],
        }
        for entry in record["runs"]
    ]
    frame = pl.DataFrame([_fit(row, RUNS) for row in _like_mates(rows)], schema=RUNS)
    complete = [run for i, run in runs.items() if described[i]["status"] in COMPLETE]
    statuses = [run.status() for run in complete]
    measured = probe_figures(record, store)
    return StudyResults(
        name=record["name"],
        title=record["title"],
        question=record["question"],
        runs=frame,
        metrics=_stack(complete, "metrics", METRICS),
        confusion=_stack(complete, "confusion", CONFUSION),
        class_names=_class_names(statuses),
        selection=_selection(frame),
        provenance=_provenance(record, read_text(folder / "study.toml"), statuses),
        targets=record.get("targets", {}),
        rounds=pl.DataFrame(round_rows(rounds, described), schema=ROUNDS),
        masks={
            entry["run"]: path
            for entry in rounds
            if described[entry["run"]]["status"] in COMPLETE
            and (path := store.run(entry["run"]).masks_path).exists()
        },
        probes=pl.DataFrame(probe_rows(record["runs"], measured), schema=PROBES),
        grids=grids(measured),
        series=read_series(record["runs"], record, store),
        round_probes=pl.DataFrame(probe_rows(rounds, measured), schema=PROBES),
        round_series=read_series(rounds, record, store),
    )


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
    return {
        **row,
        "task": None if spec["task"] is None else spec["task"]["name"],
        "model": None if spec["model"] is None else spec["model"]["name"],
        "optimizer": spec["optimizer"]["name"],
        "hyperparameters": json.dumps(hyperparameters),
        "lr": hyperparameters.get("lr"),
        "batch_size": None if batch_size is None else str(batch_size),
        "seed": spec["seed"],
        **(sparsity_figures(spec, status) if row["status"] in COMPLETE else {}),
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


def _like_mates(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows, with what was asked of a run whose spec cannot be read from one of the same
    arm and point, which was asked the same but for the seed.
    """
    asked = ("task", "model", "optimizer", "hyperparameters", "lr", "batch_size")
    mates = {
        (row["arm"], row["point"]): {key: row[key] for key in asked}
        for row in rows
        if "optimizer" in row
    }
    return [{**mates.get((row["arm"], row["point"]), {}), **row} for row in rows]


def _fit(row: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in schema}


def _stack(runs: Iterable[RunDirectory], name: str, schema: Mapping[str, Any]) -> pl.DataFrame:
    """Read the same file of every run into one frame with the columns of ``schema``."""
    frames = []
    for run in runs:
        path = run.path / f"{name}.parquet"
        if path.exists():
            found = read_parquet(path).with_columns(run=pl.lit(run.id))
            columns = [
                (pl.col(key) if key in found.columns else pl.lit(None)).cast(kind).alias(key)
                for key, kind in schema.items()
            ]
            frames.append(found.select(columns))
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict(schema))


def _selection(runs: pl.DataFrame) -> str:
    """Return the figure grid points are chosen by: on validation wherever every run has it."""
    done = runs.filter(pl.col("status") == "done")
    candidates = ("validation_accuracy", "validation_loss", "test_accuracy")
    for name in candidates:
        if len(done) and done[name].null_count() == 0:
            return name
    return "test_loss" if len(done) else "validation_loss"


def _class_names(statuses: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    names = {status["task"]: status["class_names"] for status in statuses}
    return {task: classes for task, classes in names.items() if classes}


def _provenance(
    record: Mapping[str, Any], toml: str, statuses: list[dict[str, Any]]
) -> dict[str, Any]:
    def distinct(key: str) -> list[Any]:
        found = {json.dumps(status[key], sort_keys=True) for status in statuses}
        return [json.loads(text) for text in sorted(found)]

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
        "finished": max((status["finished"] for status in statuses), default=""),
        "warnings": list(dict.fromkeys(warnings)),
    }
