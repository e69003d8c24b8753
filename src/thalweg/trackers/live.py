"""Runs of a study told to trackers while they train."""

import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from thalweg.execute import Progress
from thalweg.execute.progress import Follower
from thalweg.spec import RunSpec
from thalweg.store import Store
from thalweg.trackers.after import bring_up
from thalweg.trackers.destination import Destination
from thalweg.trackers.runs import entry, tracked_runs
from thalweg.trackers.tracker import Entry, Logged, TrackedRun, Tracker
from thalweg.validation import brief

REST = 10.0
"""While runs train, a tracker rests so many times as long as it has worked, because it may take its
time from the process that trains them; so many seconds at most are `LONGEST_REST`.
"""

LONGEST_REST = 30.0

PATIENCE = 60.0
"""So many seconds, at the end of a study, a tracker may take for a run, or to load its library."""


class TrackingWarning(UserWarning):
    """A tracker cannot be had; the study goes on without it."""


class Tracking(Follower):
    """Tells trackers of a study's runs: epochs as they come, and what each came to.

    Each tracker has a thread, so that none can delay the study or fail it. One that raises, or
    does not answer at the end, is given up with a warning: what it lacks can be exported later.

    Args:
        destinations: The trackers.
        store: Where the runs lie.
        study: Name of the study, which is recorded before its runs are trained.
    """

    def __init__(self, destinations: Sequence[Destination], store: Store, study: str) -> None:
        self._store = store
        self._study = study
        self._specs: dict[str, RunSpec] = {}
        self._lines = [_Line(each, store, study) for each in destinations]

    def plan(self, specs: Sequence[RunSpec]) -> None:
        """Take up the runs that the study's record names by now."""
        self._specs |= {each.id: each for spec in specs for each in spec.lineage}
        known = self._specs
        runs = tracked_runs(
            self._store.record(self._study),
            lambda i: known[i].canonical() if i in known else self._store.run(i).spec(),
        )
        for line in self._lines:
            line.runs = runs

    def on_metrics(self, metrics: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        told = {run: [entry(row) for row in rows] for run, rows in metrics.items()}
        for line in self._lines:
            line.put(told)

    def on_end(self, runs: Sequence[str]) -> None:
        for line in self._lines:
            line.put_ends(runs)

    @contextmanager
    def following(self, view: Progress) -> Iterator[None]:
        """Follow what a view shows; in the end tell the trackers of all runs that have come to one,
        whoever trained them and when, and if the study was interrupted of what is known by then.
        """
        view.followers.append(self)
        try:
            yield
        except BaseException:
            self._finish(interrupted=True)
            raise
        else:
            self._finish(interrupted=False)
        finally:
            view.followers.remove(self)

    def _finish(self, interrupted: bool) -> None:
        for line in self._lines:
            if not interrupted:
                line.put_ends(list(line.runs))
            line.finish()
        for line in self._lines:
            if trouble := line.wait():
                warnings.warn(
                    f"--track {line.text}: {trouble}; the study does without it, and what "
                    f"is missing there can be written with: {line.command}",
                    TrackingWarning,
                    stacklevel=2,
                )


class _Line:
    """The thread of a tracker, and what it is to be told.

    Args:
        destination: The tracker.
        store: Where the runs lie.
        study: Name of the study.
    """

    def __init__(self, destination: Destination, store: Store, study: str) -> None:
        self.text = destination.text
        self.command = (
            f"thalweg export --study {study} --as {destination.kind} --to "
            f"{destination.where or 'FOLDER'}"
        )
        self.runs: dict[str, TrackedRun] = {}
        self._destination = destination
        self._store = store
        self._study = study
        self._entries: dict[str, list[Entry]] = {}
        self._ends: dict[str, None] = {}
        self._known: dict[str, Logged] = {}
        self._finishing = False
        self._trouble = ""
        self._sign = time.monotonic()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def put(self, metrics: Mapping[str, Sequence[Entry]]) -> None:
        with self._news:
            if self._trouble:
                return
            for run_id, entries in metrics.items():
                self._entries.setdefault(run_id, []).extend(entries)
            self._news.notify()

    def put_ends(self, runs: Sequence[str]) -> None:
        with self._news:
            self._ends |= dict.fromkeys(runs)
            self._news.notify()

    def finish(self) -> None:
        with self._news:
            self._finishing = True
            self._sign = time.monotonic()
            self._news.notify()

    def wait(self) -> str:
        """Wait for the thread; return why the tracker was given up, "" if it was not."""
        while self._thread.is_alive():
            self._thread.join(timeout=0.2)
            if time.monotonic() - self._sign > PATIENCE:
                return f"gave no answer for {PATIENCE:.0f} s"
        return self._trouble

    def _serve(self) -> None:
        try:
            tracker = self._destination.open(self._study)
            try:
                self._tell(tracker)
            finally:
                tracker.close()
        except Exception as error:  # whatever a library raises must not end the study
            with self._news:
                self._trouble = f"cannot be had ({brief(error)})"
                self._entries.clear()

    def _tell(self, tracker: Tracker) -> None:
        while True:
            with self._news:
                while not (self._entries or self._ends or self._finishing):
                    self._news.wait()
                entries, self._entries = self._entries, {}
                ends, self._ends = self._ends, {}
                last = self._finishing
            began = time.monotonic()
            for run_id, told in entries.items():
                if run_id in self.runs:
                    self._log(tracker, self.runs[run_id], told)
            for run_id in ends:
                if run_id in self.runs:
                    bring_up(tracker, self.runs[run_id], self._store, self._known)
                    self._sign = time.monotonic()
            if last:
                return
            worked = time.monotonic() - began
            with self._news:
                self._news.wait_for(
                    lambda: self._finishing, timeout=min(REST * worked, LONGEST_REST)
                )

    def _log(self, tracker: Tracker, run: TrackedRun, told: Sequence[Entry]) -> None:
        if run.id not in self._known:
            self._known[run.id] = tracker.begin(run)
        logged = self._known[run.id]
        new = {each["epoch"]: each for each in told if each["epoch"] > logged.epoch}
        if new and not logged.ended:
            tracker.log(run, [new[epoch] for epoch in sorted(new)])
            self._known[run.id] = Logged(max(new))
        self._sign = time.monotonic()
