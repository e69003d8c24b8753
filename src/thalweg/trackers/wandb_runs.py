"""Runs of a study as those of a project of Weights & Biases, offline unless told otherwise."""

import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb

from thalweg.errors import InputError
from thalweg.store.slug import slug
from thalweg.trackers.tracker import FINAL, Entry, Logged, Outcome, TrackedRun, Tracker
from thalweg.trackers.wandb_files import read_wandb_file

STATUS = "status"
"""Key of the summary of what a run came to."""

FOLDER = "WANDB_DIR"

FLUSH_SECONDS = 5.0
"""The longest that W&B's process takes to write a file after a run has ended."""

TAG = 64
"""Characters of the longest tag."""


class WandbRuns(Tracker):
    """The runs of a project.

    A run has its epoch as step. One that goes on after an interruption gets another folder with the
    same id, which ``wandb sync`` puts together.

    Args:
        study: Name of the study.
        project: Name of the project.
        folder: In which ``wandb/`` is made; None for what ``WANDB_DIR`` says, or this folder.
    """

    def __init__(self, study: str, project: str, folder: Path | None) -> None:
        self._study = study
        self._project = project
        self._folder = folder or Path(os.environ.get(FOLDER, "."))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._runs: dict[str, Any] = {}
        self._ended: list[tuple[float, Path]] = []
        self._files: dict[str, list[Path]] = defaultdict(list)
        for path in (self._folder / "wandb").glob("offline-run-*/run-*.wandb"):
            self._files[path.stem.removeprefix("run-")].append(path)
        self._settings = wandb.Settings(
            console="off",
            silent=True,
            disable_code=True,
            disable_git=True,
            disable_job_creation=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
        )

    def begin(self, run: TrackedRun) -> Logged:
        key = slug(self._study, run.id)
        logged = self._logged(key)
        if logged.ended:
            return logged
        begun = wandb.init(
            project=self._project,
            id=key,
            name=run.name,
            group=run.tags["arm"],
            tags=[text[:TAG] for text in dict.fromkeys((self._study, run.tags["arm"]))],
            config={**_nested(run.parameters), "thalweg": dict(run.tags)},
            dir=str(self._folder),
            resume="allow",
            reinit="create_new",
            settings=self._settings,
        )
        self._runs[run.id] = begun
        # Only W&B's server knows of a run before this one where nothing was kept here.
        return Logged(max(logged.epoch, begun.step - 1))

    def _logged(self, key: str) -> Logged:
        """Return what the files of a run's earlier folders hold."""
        epoch, ended = -1, False
        for path in self._files[key]:
            try:
                found = read_wandb_file(path)
            except InputError:
                continue  # a process that was killed may leave less than a header
            epoch = max([epoch, *(row.get("_step", -1) for row in found.history)])
            ended = ended or (found.exit_code == 0 and STATUS in found.summary)
        return Logged(epoch, ended)

    def log(self, run: TrackedRun, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._runs[run.id].log(dict(entry), step=entry["epoch"])

    def end(self, run: TrackedRun, outcome: Outcome, epoch: int) -> None:
        begun = self._runs[run.id]
        figures = {FINAL + key: value for key, value in outcome.figures.items()}
        begun.summary.update({**figures, STATUS: outcome.status, **outcome.told})
        self._finish(run.id, int(outcome.status == "failed"))

    def close(self) -> None:
        for run_id in list(self._runs):
            self._finish(run_id, 1)
        # Whoever looks at the files next, an export in this process say, is to find all of it.
        for ended, path in self._ended:
            while time.monotonic() < ended + FLUSH_SECONDS and not _is_whole(path):
                time.sleep(0.05)

    def _finish(self, run_id: str, exit_code: int) -> None:
        begun = self._runs.pop(run_id)
        begun.finish(exit_code=exit_code)
        if begun.settings.mode == "offline":
            self._ended.append((time.monotonic(), Path(begun.settings.sync_file)))


def _is_whole(path: Path) -> bool:
    try:
        return read_wandb_file(path).exit_code is not None
    except InputError:
        return False


def _nested(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys with dots as tables in tables, which W&B shows by such keys."""
    tables: dict[str, Any] = {}
    for key, value in parameters.items():
        *before, last = key.split(".")
        inner = tables
        for name in before:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return tables
