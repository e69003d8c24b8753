"""What pages show of a store, kept in memory for as long as its files stay the same."""

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from thalweg.report.answers import answers
from thalweg.report.further_answers import further_answers
from thalweg.report.summary import Summary, summary
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.store.files import DamageWarning
from thalweg.store.results import StudyResults
from thalweg.study.panels import panels
from thalweg.ui.content import Content, View
from thalweg.ui.page import figures
from thalweg.ui.pulse import Pulse, Watch
from thalweg.ui.run_table import Rows, read_run_table
from thalweg.ui.shelf import PATIENCE, Kept, Shelf

Value = TypeVar("Value")

STUDIES = 4
"""Studies whose frames are kept."""

VALUES = 64
"""Summaries and contents of views that are kept."""


@dataclass(frozen=True)
class Loaded:
    """A study's frames.

    Attributes:
        results: The frames.
        damage: A sentence for each file that is damaged.
        views: The views that it has something for.
    """

    results: StudyResults
    damage: tuple[str, ...]
    views: tuple[View, ...]


@dataclass(frozen=True)
class Overview:
    """What a study says as a whole: see `thalweg.report.summary` and `thalweg.report.answers`."""

    summary: Summary
    answers: tuple[str, ...]
    damage: tuple[str, ...]
    finished: str


@dataclass(frozen=True)
class Shown:
    """What a view shows, and its charts as Plotly figures by name."""

    content: Content
    figures: dict[str, Any]


class Library:
    """The studies of a store as pages need them.

    Every value is of the state that a `Pulse` tells, or of an earlier one while it is made anew.

    Args:
        store: The store; it is read and, but for its index, never written.
        views: The pages of a study.
    """

    def __init__(self, store: Store, views: Sequence[View]) -> None:
        self.store = store
        self.watch = Watch(store)
        self._views = views
        self._frames = Shelf(STUDIES)
        self._values = Shelf(VALUES)

    def loaded(self, name: str, pulse: Pulse, patience: float | None = PATIENCE) -> Kept[Loaded]:
        """Return a study's frames.

        Raises:
            NotYetError: They are being read for the first time.
        """
        return self._frames.get(name, pulse.results_mark, lambda: self._read(name), patience)

    def overview(self, name: str, pulse: Pulse, patience: float = PATIENCE) -> Kept[Overview]:
        """Return what a study says.

        Raises:
            NotYetError: It is being made for the first time.
        """

        def make() -> Overview:
            loaded = self._now(name, pulse)
            results = loaded.results
            grouped = panels(results)
            told = (*answers(results, grouped), *further_answers(results, grouped))
            finished = str(results.provenance["finished"] or "")
            return Overview(summary(results, grouped), told, loaded.damage, finished)

        return self._values.get((name, "overview"), pulse.results_mark, make, patience)

    def content(
        self,
        name: str,
        pulse: Pulse,
        view: View,
        asked: Mapping[str, Sequence[str]],
        patience: float = PATIENCE,
    ) -> Kept[Shown]:
        """Return what a view shows.

        Raises:
            NotYetError: It is being made for the first time.
            InputError: A parameter is not among the view's options.
        """
        key = (name, view.name, tuple((each, tuple(values)) for each, values in asked.items()))

        def make() -> Shown:
            content = view.show(self._now(name, pulse).results, self.store, asked)
            return Shown(content, figures(content.groups))

        return self._values.get(key, pulse.results_mark, make, patience)

    def run_table(self, name: str, pulse: Pulse, patience: float = PATIENCE) -> Kept[Rows]:
        """Return a study's runs as a table to filter, sort and group.

        Raises:
            NotYetError: It is being read for the first time.
        """
        known = self._values.get(
            (name, "runs"),
            pulse.results_mark,
            lambda: heard(lambda: read_run_table(self.store, pulse.record))[0],
            patience,
        )
        return Kept(known.value.with_beats(pulse.beats, pulse.mark), known.fresh)

    def _now(self, name: str, pulse: Pulse) -> Loaded:
        """Return a study's frames, however long they take."""
        for _ in range(2):  # the first may have been begun for an earlier state
            kept = self.loaded(name, pulse, None)
            if kept.fresh:
                break
        return kept.value

    def _read(self, name: str) -> Loaded:
        results, damage = heard(lambda: read_results(self.store, name))
        return Loaded(results, damage, tuple(v for v in self._views if v.applies(results)))


_hearing = threading.Lock()


def heard(read: Callable[[], Value]) -> tuple[Value, tuple[str, ...]]:
    """Return what is read, and a sentence for everything that is damaged in it.

    Warnings are the process's, so one is read at a time.
    """
    with _hearing, warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", DamageWarning)
        value = read()
    told = (str(each.message) for each in found if issubclass(each.category, DamageWarning))
    return value, tuple(dict.fromkeys(told))
