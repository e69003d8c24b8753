"""Runs of a study as those of a trackio project, in its local database."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from thalweg.errors import ThalwegError
from thalweg.trackers.tracker import FINAL, Entry, Logged, Outcome, TrackedRun, Tracker

FOLDER = "TRACKIO_DIR"

STEPS = "steps"
"""What the figure ``step`` is called: trackio's own axis has that name, and counts epochs here."""

STATUS = "status"
"""Key, beside the figures at the end, of what a run came to."""


class TrackioRuns(Tracker):
    """The runs of a project.

    They are written as trackio's own importers write them, whole batches at a time: a run of
    `trackio.init` is the only one of its process. Nothing leaves this machine.

    Args:
        study: Name of the study.
        project: Name of the project.
        folder: Of the databases; None for what ``TRACKIO_DIR`` says, or trackio's own choice.

    Raises:
        ThalwegError: This process has used another folder.
    """

    def __init__(self, study: str, project: str, folder: Path | None) -> None:
        if folder is not None and "trackio" not in sys.modules:
            os.environ[FOLDER] = str(folder.resolve())
        from trackio.sqlite_storage import SQLiteStorage
        from trackio.utils import TRACKIO_DIR  # set once, when it is imported

        if folder is not None and Path(TRACKIO_DIR).resolve() != folder.resolve():
            raise ThalwegError(
                f"trackio writes to {TRACKIO_DIR} in this process; set {FOLDER} to {folder} before"
            )
        SQLiteStorage.validate_project_name(project)
        self._storage = SQLiteStorage
        self._project = project
        self._names = {each["id"]: each["name"] for each in SQLiteStorage.get_run_records(project)}
        self._study = study

    def begin(self, run: TrackedRun) -> Logged:
        if self._key(run) not in self._names:
            return Logged()
        logs = self._storage.get_logs(self._project, run_id=self._key(run))
        ends = [log[STATUS] for log in logs if STATUS in log]
        epochs = [log["step"] for log in logs if STATUS not in log]
        return Logged(max(epochs, default=-1), any(end != "failed" for end in ends))

    def log(self, run: TrackedRun, entries: Sequence[Entry]) -> None:
        renamed = [{STEPS if k == "step" else k: v for k, v in each.items()} for each in entries]
        self._write(run, renamed, [entry["epoch"] for entry in entries])

    def end(self, run: TrackedRun, outcome: Outcome, epoch: int) -> None:
        figures = {FINAL + key: value for key, value in outcome.figures.items()}
        told = {STATUS: outcome.status, **outcome.told}
        self._write(run, [{**figures, **told}], [max(epoch, 0)])

    def close(self) -> None:
        pass

    def _key(self, run: TrackedRun) -> str:
        """Return the run's id in the project, which may be of several studies."""
        return f"{self._study}-{run.id}"

    def _write(self, run: TrackedRun, logs: Sequence[Entry], steps: Sequence[int]) -> None:
        new = self._key(run) not in self._names
        tags = {f"thalweg.{key}": value for key, value in run.tags.items()}
        self._storage.bulk_log(
            self._project,
            run.name,
            [dict(log) for log in logs],
            steps=list(steps),
            config={**run.parameters, **tags, "_Group": run.tags["arm"]} if new else None,
            run_id=self._key(run),
        )
        self._names[self._key(run)] = run.name
