"""The progress of an execution, on a terminal or line by line in a log."""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.progress import Task as Bar
from rich.table import Column
from rich.text import Text

from thalweg.execute.grouping import CohortPlan

SILENCE_SECONDS = 30
"""A cohort that has given no sign for so long is shown to have given none."""


class Follower:
    """Base of those that follow an execution beside its view; called in the command's process."""

    def on_metrics(self, metrics: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Runs have come to further evaluated epochs: figures by run, one row an epoch
        (`thalweg.store.results.METRICS`). What was told before a worker's death comes again.
        """

    def on_end(self, runs: Sequence[str]) -> None:
        """Runs are complete, or have failed."""


class Progress:
    """A live view: one bar over all runs' epochs, one for every cohort in training.

    Where the console is no terminal it prints a line whenever a cohort ends.

    Args:
        console: Where to draw; ``Console(stderr=True)`` keeps standard output for results.
        quiet: Draw nothing.

    Attributes:
        followers: Those that are told, too, how far runs are.
    """

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        self._console = console or Console(stderr=True)
        self._quiet = quiet
        self._bars = Bars(*_columns(self._console.width), console=self._console)
        self._live = Live(self._bars, console=self._console, refresh_per_second=8)
        self._total: TaskID | None = None
        self._probe: TaskID | None = None
        self._tasks: dict[int, TaskID] = {}
        self._rows: dict[int, int] = {}
        self._epochs: dict[int, int] = {}
        self._done = 0
        self._runs = 0
        self._began = time.monotonic()
        self.followers: list[Follower] = []

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def start(self, epochs: int, complete: int, runs: int) -> None:
        """So many epochs are to be trained from here on; ``complete`` of all ``runs`` need none."""
        self._done, self._runs = complete, runs
        if self._total is None:
            self._total = self._bars.add_task("all runs", total=epochs, note="", unit="epochs")
        else:
            done = self._bars.tasks[0].completed
            self._bars.update(self._total, total=done + epochs)
        self._note()

    def begin(self, worker: int, cohort: CohortPlan) -> None:
        """A worker starts a cohort."""
        self._rows[worker] = len(cohort.specs)
        self._epochs[worker] = 0
        self._tasks[worker] = self._bars.add_task(
            _describe(cohort),
            total=cohort.specs[0].train.epochs,
            note="",
            unit="epochs",
            told=time.monotonic(),
        )

    def update(self, worker: int, event: dict[str, Any]) -> None:
        """A cohort has reached another epoch, or goes on."""
        loss = event["loss"]
        note = "" if loss is None else f"loss {loss:.4f}"
        told = time.monotonic()
        self._bars.update(self._tasks[worker], completed=event["epoch"], note=note, told=told)
        self._advance(worker, event["epoch"])
        for follower in self.followers:
            follower.on_metrics(event["metrics"])

    def end(self, worker: int, cohort: CohortPlan) -> None:
        """A cohort has ended."""
        self._advance(worker, cohort.specs[0].train.epochs)
        self._bars.remove_task(self._tasks.pop(worker))
        self._done += len(cohort.specs)
        self._note()
        for follower in self.followers:
            follower.on_end(cohort.ids)
        if not self._quiet and not self._console.is_terminal:
            seconds = time.monotonic() - self._began
            self._console.print(
                f"[{self._done}/{self._runs} runs, {seconds:.0f} s] {_describe(cohort)}",
                markup=False,
                highlight=False,
            )

    def again(self, worker: int, cohort: CohortPlan, reason: str) -> None:
        """A cohort has not come to its end, and will be begun again, whole or in parts."""
        self._advance(worker, 0)
        self._bars.remove_task(self._tasks.pop(worker))
        if not self._quiet:
            line = f"{_describe(cohort)}: {reason}; trying again"
            self._console.print(line, markup=False, highlight=False)

    def wait(self) -> None:
        """What is left is in another process's hands."""
        if self._total is not None:
            self._bars.update(self._total, note="waiting for another process")
        if not self._quiet and not self._console.is_terminal:
            self._console.print("waiting for runs that another process trains")

    def measured(self, probe: str, done: int, runs: int) -> None:
        """A probe has measured so many of the runs it must."""
        if self._probe is None:
            self._probe = self._bars.add_task(
                f"measuring {probe}", total=runs, note="", unit="runs"
            )
        self._bars.update(self._probe, completed=done)
        if done == runs:
            self._bars.remove_task(self._probe)
            self._probe = None
            if not self._quiet and not self._console.is_terminal:
                seconds = time.monotonic() - self._began
                line = f"[{seconds:.0f} s] {probe} measured of {runs} runs"
                self._console.print(line, markup=False, highlight=False)

    def finish(self) -> None:
        """Everything is trained."""
        if self._total is not None:
            self._bars.update(self._total, completed=self._bars.tasks[0].total)

    def _advance(self, worker: int, epoch: int) -> None:
        if self._total is not None:
            completed = self._bars.tasks[0].completed
            since = self._rows[worker] * (epoch - self._epochs[worker])
            self._bars.update(self._total, completed=completed + since)
        self._epochs[worker] = epoch

    def _note(self) -> None:
        if self._total is not None:
            self._bars.update(self._total, note=f"{self._done}/{self._runs} runs")


class _Note(ProgressColumn):
    """What is noted of a bar, or for how long its cohort has given no sign."""

    def render(self, task: Bar) -> Text:
        silent = time.monotonic() - task.fields.get("told", time.monotonic())
        return Text(
            task.fields["note"] if silent < SILENCE_SECONDS else f"no sign for {silent:.0f} s"
        )


def _columns(width: int) -> list[ProgressColumn]:
    """Return what there is room for: name, bar, count and time left, then the rest."""
    columns: list[ProgressColumn] = [
        BarColumn(bar_width=10),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
    ]
    taken = 30
    if width >= 80:
        columns[2:2] = [TextColumn("{task.fields[unit]}")]
        columns.append(_Note())
        taken += 20
    if width >= 100:
        columns[3:3] = [TimeElapsedColumn()]
        taken += 8
    shape = Column(no_wrap=True, overflow="ellipsis", max_width=max(width - taken, 8))
    name = TextColumn("{task.description}", markup=False, table_column=shape)
    return [name, *columns]


def _describe(cohort: CohortPlan) -> str:
    first, count = cohort.specs[0], len(cohort.specs)
    runs = f"seed {first.seed}" if count == 1 else f"{count} runs"
    return f"{first.task.name} · {first.model.name} · {first.optimizer.name} · {runs}"
