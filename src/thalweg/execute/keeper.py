"""What is kept of a training as it goes on, and what is told of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from thalweg.cohort import Listener, Training
from thalweg.errors import ThalwegError
from thalweg.execute.live import LiveProbes
from thalweg.execute.paths import snapshot_of_path, weights_of
from thalweg.execute.rounds import snapshot_step
from thalweg.execute.wanted import END, Leaving
from thalweg.execute.writers import Writers
from thalweg.store import RunDirectory

CHECKPOINT_SECONDS = 1.0
"""Epochs shorter than this share a checkpoint: what a kill can cost is an epoch or a second."""

SIGN_SECONDS = 1.0
"""So often, at most, a training gives a sign that it goes on."""

Notify = Callable[[dict[str, Any]], None]
"""Receives events: {"event": "epoch", "epoch": …, "epochs": …, "loss": …, "metrics": …}, of a long
epoch several. ``metrics`` are the figures of the epochs that were evaluated since the event before,
by run; the first event has those of the epochs before a resume."""


class StoreError(Exception):
    """Something could not be written: the study stops, the run is not to blame."""


@contextmanager
def stops_the_study() -> Iterator[None]:
    """Tell errors of writing from those of a training: within the context they are `StoreError`."""
    try:
        yield
    except ThalwegError as error:
        raise StoreError(str(error)) from error


class Keeper(Listener):
    """Saves checkpoints and the snapshots wanted by other runs, and reports progress.

    Args:
        runs: The cohort's.
        notify: Told of every epoch, and that a long one goes on.
        leaving: What each run must leave.
        live: What is measured meanwhile, whose figures are part of a checkpoint.
        checkpoints: Save checkpoints; without, the training ends when nothing more is to be left.
    """

    def __init__(
        self,
        runs: Sequence[RunDirectory],
        notify: Notify,
        leaving: Sequence[Leaving],
        live: LiveProbes,
        checkpoints: bool = True,
    ) -> None:
        self._runs = runs
        self._notify = notify
        self._lacking = [list(each.snapshots) for each in leaving]
        self._live = live
        self._checkpoints = checkpoints
        self._saved = self._told = time.monotonic()
        self._entries = [0] * len(runs)

    def on_start(self, training: Training) -> None:
        self._tell(training)
        self.on_step(training)  # a path begins before the first step

    def on_step(self, training: Training) -> None:
        if any(self._lacking):
            self._save_snapshots(training)
        if time.monotonic() - self._told >= SIGN_SECONDS:
            self._tell(training)

    def on_epoch(self, training: Training) -> None:
        now = time.monotonic()
        due = now - self._saved >= CHECKPOINT_SECONDS
        if due:
            self._saved = now
            if self._checkpoints:
                self._save(training)
        if due or training.finished:
            self._tell(training)

    def _save_snapshots(self, training: Training) -> None:
        last = training.step == training.settings.epochs * training.steps_per_epoch
        for row, (run, names) in enumerate(zip(self._runs, self._lacking, strict=True)):
            for name in list(names):
                if last if name == END else training.step == snapshot_step(name, training):
                    names.remove(name)
                    with stops_the_study():
                        run.save_snapshot(name, _snapshot(training, row, name))
        if not self._checkpoints and not any(self._lacking) and not self._live.watching:
            training.stop()

    def _save(self, training: Training) -> None:
        with stops_the_study():
            with Writers() as writers:
                for row, run in enumerate(self._runs):
                    state = {**training.row_state(row), "live": self._live.row_state(row)}
                    writers.submit(run.save_checkpoint, training.epoch, state)
            for run in self._runs:
                run.drop_checkpoints(keep=training.epoch)

    def _tell(self, training: Training) -> None:
        self._told = time.monotonic()
        losses = [metrics[-1].get("test_loss") for metrics in training.metrics if metrics]
        best = min((loss for loss in losses if loss is not None), default=None)
        self._notify(
            {
                "event": "epoch",
                "epoch": training.epoch,
                "epochs": training.settings.epochs,
                "loss": best,
                "metrics": self._new_metrics(training),
            }
        )

    def _new_metrics(self, training: Training) -> dict[str, list[dict[str, Any]]]:
        """Return the figures that have not been told; of runs that are complete none are new."""
        if not self._checkpoints:
            return {}
        found = {}
        for row, run in enumerate(self._runs):
            entries = training.metrics[row][self._entries[row] :]
            self._entries[row] += len(entries)
            if entries:
                found[run.id] = entries
        return found


def _snapshot(training: Training, row: int, name: str) -> dict[str, Any]:
    if snapshot_of_path(name) is not None:
        return {"weights": weights_of(training, row)}
    state = training.row_state(row)
    return {key: state[key] for key in ("weights", "optimizer")}
