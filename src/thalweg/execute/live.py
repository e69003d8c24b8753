"""Measurements of runs while they train."""

import time
from collections.abc import Sequence
from typing import Any

from thalweg.cohort import Listener, Training
from thalweg.measure.live import watcher_of
from thalweg.measure.requests import Request
from thalweg.measure.series import Series
from thalweg.measure.watcher import Watcher
from thalweg.store import RunDirectory
from thalweg.store.series import save_series


class _Watch:
    """One request at work.

    Attributes:
        request: What is measured.
        wanting: Rows of the runs whose figures are wanted.
        series: The figures so far.
        seconds: What the looks have cost each run.
        complete: Whether each row was watched from the start.
    """

    def __init__(self, request: Request, wanting: Sequence[int], training: Training) -> None:
        self.request = request
        self.wanting = wanting
        self.series = Series(training.cohort.rows)
        self.seconds = 0.0
        self.complete = [True] * training.cohort.rows
        assert request.when is not None
        self._moments = request.when
        self._due = False
        self._passed = 0.0
        self._watcher: Watcher = watcher_of(request, training)

    def wants(self, step: int, steps: int) -> bool:
        """Return whether to look at a step of a training of ``steps``, or to prepare for a look."""
        due = self._moments.due
        self._due = due(step, steps)
        return self._due or (self._watcher.prepares and due(step + 1, steps))

    def before(self, training: Training) -> float:
        """Look before the step; return the seconds it took."""
        start = time.perf_counter()
        self._watcher.before(training, self._due)
        self._passed = time.perf_counter() - start
        return self._passed

    def after(self, training: Training) -> float:
        """Look after the step; return the seconds it took."""
        start = time.perf_counter()
        values = self._watcher.after(training, self._due)
        if values:
            self.series.add(training.step - 1, values)
        passed = time.perf_counter() - start
        self.seconds += (self._passed + passed) / training.cohort.rows
        return passed

    def row_state(self, row: int) -> dict[str, Any]:
        return {
            "series": self.series.row_state(row),
            "seconds": self.seconds,
            "gradients": self._watcher.gradients,
            "watcher": self._watcher.row_state(row),
        }

    def load_row_state(self, row: int, state: dict[str, Any] | None) -> None:
        """Go on from a checkpoint; from one that was not watched the figures are not complete."""
        if state is None:
            self.complete[row] = False
            return
        self.series.load_row_state(row, state["series"])
        self.seconds, self._watcher.gradients = state["seconds"], state["gradients"]
        self._watcher.load_row_state(row, state["watcher"])

    def save(self, training: Training, runs: Sequence[RunDirectory]) -> None:
        cost = {"seconds": self.seconds, "gradient_evaluations": self._watcher.gradients}
        for row in self.wanting:
            if self.complete[row]:
                last = training.diverged_step[row]
                rows = self.series.rows(row, cost, last)
                save_series(runs[row], self.request.file, rows)


class LiveProbes(Listener):
    """Takes the measurements that are wanted of the runs of a cohort as they train.

    What it costs is charged to no run; the cost is among the figures.

    Args:
        wanted: Requests of each run.
        training: The cohort, before its first step and before a checkpoint is loaded.
    """

    def __init__(self, wanted: Sequence[Sequence[Request]], training: Training) -> None:
        rows: dict[str, list[int]] = {}
        requests: dict[str, Request] = {}
        for row, own in enumerate(wanted):
            for request in own:
                rows.setdefault(request.file, []).append(row)
                requests[request.file] = request
        self._watches = [_Watch(requests[file], rows[file], training) for file in rows]
        self._steps = training.steps
        self._looking: list[_Watch] = []

    @property
    def watching(self) -> bool:
        """Whether there is anything to measure."""
        return bool(self._watches)

    def watches(self, step: int) -> bool:
        self._looking = [each for each in self._watches if each.wants(step, self._steps)]
        return bool(self._looking)

    def on_gradient(self, training: Training) -> None:
        for watch in self._looking:
            training.excuse(watch.before(training))

    def on_step(self, training: Training) -> None:
        for watch in self._looking:
            training.excuse(watch.after(training))

    def row_state(self, row: int) -> dict[str, Any]:
        """Return what is known of one run so far, as a tree."""
        return {watch.request.file: watch.row_state(row) for watch in self._watches}

    def load_row_state(self, row: int, state: dict[str, Any]) -> None:
        """Take up what `row_state` returned."""
        for watch in self._watches:
            watch.load_row_state(row, state.get(watch.request.file))

    def save(self, training: Training, runs: Sequence[RunDirectory]) -> None:
        """Write the figures of the runs that were watched from start to end."""
        for watch in self._watches:
            watch.save(training, runs)
