"""What a tracker must be able to do, and what it is told of a run."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Entry = Mapping[str, Any]
"""Figures of an evaluated epoch, by columns of `thalweg.store.results.METRICS`; none is None."""

FINAL = "final/"
"""What the names of figures at the end of a run begin with: ``train_loss`` alone is another figure,
the mean over an epoch's batches.
"""


@dataclass(frozen=True)
class TrackedRun:
    """A run as trackers know it.

    Attributes:
        id: The run's id, by which it is found again.
        study: Name of its study.
        name: For people: arm, grid point, seed and round.
        tags: Where it stands: ``study``, ``arm``, ``point``, ``seed``, ``round``, ``run``; and
            ``places``, JSON, all arms that it stands in.
        parameters: Its spec; keys of tables in tables have dots, lists are JSON.
    """

    id: str
    study: str
    name: str
    tags: Mapping[str, str]
    parameters: Mapping[str, str | int | float | bool]


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        status: "done", "diverged" or "failed".
        figures: What it ended with, by columns of `thalweg.store.assemble.DESCRIBED`.
        told: What else is known of its training, ``message`` where it diverged or failed.
    """

    status: str
    figures: Mapping[str, float] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Logged:
    """What a tracker already has of a run.

    Attributes:
        epoch: The last whose figures it has; -1 if it has none.
        ended: Whether it has what the run came to, and that was no failure.
    """

    epoch: int = -1
    ended: bool = False


class Tracker(ABC):
    """The runs of one study at one place of a tracker.

    Only one thread calls it. Whatever it raises means that the tracker cannot be had.
    """

    @abstractmethod
    def begin(self, run: TrackedRun) -> Logged:
        """Find a run of an earlier command, or begin it; the first that is called of a run."""

    @abstractmethod
    def log(self, run: TrackedRun, entries: Sequence[Entry]) -> None:
        """Log figures of epochs, all after those that are logged."""

    @abstractmethod
    def end(self, run: TrackedRun, outcome: Outcome, epoch: int) -> None:
        """Log what a run came to, the last epoch that was logged being given."""

    @abstractmethod
    def close(self) -> None:
        """Leave the tracker; runs that have begun and not ended are left as interrupted."""
