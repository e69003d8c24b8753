"""Runs of a study as folders of TensorBoard's event files."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from thalweg.errors import ThalwegError
from thalweg.store.slug import slug
from thalweg.trackers.tracker import FINAL, Entry, Logged, Outcome, TrackedRun, Tracker

PATTERN = "events.out.tfevents.*.thalweg.*"


class TensorBoardFiles(Tracker):
    """Event files, ``FOLDER/STUDY/NAME-ID/events.out.tfevents.*``.

    They are written to batch by batch and none stays open, so that thousands of runs can be in
    training. Scalars have their epoch as step and single precision, as all of TensorBoard's.

    Args:
        study: Name of the study.
        folder: TensorBoard's ``--logdir``.

    Raises:
        ThalwegError: The folder cannot be written.
    """

    def __init__(self, study: str, folder: Path) -> None:
        self._folder = folder / (slug(study) or "study")
        self._files: dict[str, Path] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ThalwegError(f"cannot write {self._folder}: {error.strerror}") from error

    def begin(self, run: TrackedRun) -> Logged:
        name = slug(*run.name.replace("e+", "e").split("/"))  # no 5e+06 that looks like 5e-06
        folder = self._folder / f"{name}-{run.id[:8]}"
        folder.mkdir(exist_ok=True)
        logged = _logged(folder)
        # A file of its own for each command: the end of one that was killed may be torn.
        self._files[run.id] = folder / PATTERN.replace("*", "{}").format(
            f"{time.time_ns() // 10**9:010d}", f"{os.getpid()}.{len(list(folder.iterdir()))}"
        )
        if not logged.ended:
            events = [Event(file_version="brain.Event:2")]
            if logged.epoch < 0:
                asked = {**run.parameters, **{k: v for k, v in run.tags.items() if k != "places"}}
                events.append(Event(summary=hparams_pb(asked, trial_id=run.id)))
            self._write(run, events)
        return logged

    def log(self, run: TrackedRun, entries: Sequence[Entry]) -> None:
        self._write(run, [_scalars(entry, entry["epoch"]) for entry in entries])

    def end(self, run: TrackedRun, outcome: Outcome, epoch: int) -> None:
        figures = {FINAL + key: value for key, value in outcome.figures.items()}
        self._write(run, [_scalars(figures, max(epoch, 0)), _session_end(outcome)])

    def close(self) -> None:
        self._files.clear()

    def _write(self, run: TrackedRun, events: Sequence[Event]) -> None:
        now = time.time()
        with self._files[run.id].open("ab") as file:
            writer = RecordWriter(file)
            for event in events:
                event.wall_time = now
                writer.write(event.SerializeToString())


def _scalars(figures: Mapping[str, float], step: int) -> Event:
    values = [Summary.Value(tag=key, simple_value=value) for key, value in figures.items()]
    return Event(step=step, summary=Summary(value=values))


def _session_end(outcome: Outcome) -> Event:
    """Return the event by which the table of hyperparameters knows that a run has ended."""
    ended = HParamsPluginData()
    ended.session_end_info.status = STATUS_FAILURE if outcome.status == "failed" else STATUS_SUCCESS
    ended.session_end_info.end_time_secs = time.time()
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(ended),
        tensor=metadata.NULL_TENSOR,
    )
    return Event(summary=Summary(value=[value]))


def _logged(folder: Path) -> Logged:
    """Return what the event files in a folder hold."""
    epoch, ended = -1, False
    for value, step in _values(folder):
        if value.metadata.plugin_data.plugin_name == metadata.PLUGIN_NAME:
            if value.tag == metadata.SESSION_END_INFO_TAG:
                found = metadata.parse_session_end_info_plugin_data(
                    value.metadata.plugin_data.content
                )
                ended = found.status == STATUS_SUCCESS
        elif not value.tag.startswith(FINAL):
            epoch = max(epoch, step)
    return Logged(epoch, ended)


def _values(folder: Path) -> Iterator[tuple[Summary.Value, int]]:
    for path in sorted(folder.glob(PATTERN)):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                yield value, event.step
