"""Runs of a study as those of an MLflow experiment of its name."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from thalweg.trackers.runs import LONGEST
from thalweg.trackers.tracker import FINAL, Entry, Logged, Outcome, TrackedRun, Tracker

RUN = "thalweg.run"
"""Tag by which a run is found again."""

EPOCH = "epoch"
"""Metric of the last epoch that is logged, written with that epoch's figures."""

AT_A_TIME = 1000
"""Metrics of one request, the most that a server takes."""

PARAMETERS = 100
"""Parameters of one request, likewise."""


class MlflowRuns(Tracker):
    """The runs of an experiment.

    Args:
        study: Name of the study, and of the experiment.
        where: A tracking URI, or a folder, in which a database ``mlflow.db`` is made; None for what
            ``MLFLOW_TRACKING_URI`` says, or MLflow's own choice.
    """

    def __init__(self, study: str, where: str | None) -> None:
        logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table it makes
        self._client = mlflow.MlflowClient(tracking_uri=_uri(where))
        self._experiment = self._find_experiment(study, where)
        self._known = {run.data.tags[RUN]: run for run in self._pages() if RUN in run.data.tags}
        self._ids: dict[str, str] = {}
        self._open: set[str] = set()

    def _find_experiment(self, study: str, where: str | None) -> str:
        found = self._client.get_experiment_by_name(study)
        if found is not None:
            return str(found.experiment_id)
        folder = _folder(where)
        artifacts = None if folder is None else (folder / "artifacts").resolve().as_uri()
        try:
            return str(self._client.create_experiment(study, artifact_location=artifacts))
        except MlflowException:  # another command has made it meanwhile
            found = self._client.get_experiment_by_name(study)
            if found is None:
                raise
            return str(found.experiment_id)

    def _pages(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs([self._experiment], max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def begin(self, run: TrackedRun) -> Logged:
        found = self._known.get(run.id)
        if found is None:
            found = self._client.create_run(
                self._experiment,
                tags={f"thalweg.{key}": value for key, value in run.tags.items()},
                run_name=run.name,
            )
            self._ids[run.id] = found.info.run_id
            values = [Param(k, str(v)[:LONGEST]) for k, v in run.parameters.items()]
            for some in _chunks(values, PARAMETERS):
                self._client.log_batch(found.info.run_id, params=some)
            self._open.add(found.info.run_id)
            return Logged()
        self._ids[run.id] = found.info.run_id
        epoch = int(found.data.metrics.get(EPOCH, -1))
        if found.info.status == "FINISHED":
            return Logged(epoch, ended=True)
        self._client.update_run(found.info.run_id, status="RUNNING")
        self._open.add(found.info.run_id)
        return Logged(epoch)

    def log(self, run: TrackedRun, entries: Sequence[Entry]) -> None:
        now = int(1000 * time.time())
        width = max((len(entry) for entry in entries), default=1)
        for some in _chunks(entries, max(AT_A_TIME // width, 1)):
            metrics = [
                Metric(key, value, now, entry[EPOCH])
                for entry in some
                for key, value in entry.items()
            ]
            self._client.log_batch(self._ids[run.id], metrics=metrics)

    def end(self, run: TrackedRun, outcome: Outcome, epoch: int) -> None:
        known, now = self._ids[run.id], int(1000 * time.time())
        figures = [Metric(FINAL + k, v, now, max(epoch, 0)) for k, v in outcome.figures.items()]
        told = {"status": outcome.status, **outcome.told}
        tags = [RunTag(f"thalweg.{key}", value[:LONGEST]) for key, value in told.items()]
        self._client.log_batch(known, metrics=figures, tags=tags)
        self._client.set_terminated(known, "FAILED" if outcome.status == "failed" else "FINISHED")
        self._open.discard(known)

    def close(self) -> None:
        for known in self._open:
            with suppress(Exception):  # it was lost before, which has been said
                self._client.set_terminated(known, "KILLED")


def _uri(where: str | None) -> str | None:
    folder = _folder(where)
    if folder is None:
        return where
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


def _folder(where: str | None) -> Path | None:
    """Return the folder that a place is; None for a URI."""
    local = where is not None and ":/" not in where and where != "databricks"
    return Path(where) if where is not None and local else None


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
