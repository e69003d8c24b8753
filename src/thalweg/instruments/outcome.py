"""What a watched loop came to, as a run of a study in the store."""

import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from thalweg.measure.requests import Request
from thalweg.spec import ImportedSpec
from thalweg.store import Store
from thalweg.store.place import settle
from thalweg.store.provenance import machine, source_hash, versions
from thalweg.store.results import METRICS
from thalweg.store.series import save_series
from thalweg.study.elsewhere import WATCHED, check_elsewhere, record_elsewhere
from thalweg.study.plan import StudyOptions
from thalweg.validation import brief, validate

Row = dict[str, Any]

COMMAND = "thalweg.measure.Instruments"


class Outcome:
    """A run that is being trained elsewhere.

    It is named by a random number, since nothing tells what it will come to: the same loop watched
    again is another run, which takes the place of the one before in the study.

    Args:
        out: Results folder; made where it does not exist.
        study: Name of the study, which is begun or added to.
        arm: Of the run.
        seed: Of the run.
        request: What is measured of it.
        optimizer: Its name.
        lr: The learning rate it begins with; None for one without.

    Raises:
        InputError: The folder or the study is of another kind, or the study's runs are watched by
            other instruments.
        ThalwegError: The store cannot be written.
    """

    def __init__(
        self,
        out: str | Path,
        study: str,
        arm: str,
        seed: int,
        request: Request,
        optimizer: str,
        lr: float | None,
    ) -> None:
        validate(StudyOptions, {"name": study}, "study")
        self._store = Store(out, create=True)
        check_elsewhere(self._store, study)
        spec = ImportedSpec(
            arm=(arm, ""),
            files={"loop": uuid4().hex},
            round=None,
            task=None,
            model=None,
            optimizer=optimizer,
            lr=lr,
            seed=seed,
        )
        self._study, self._request = study, request
        self._run = self._store.run(spec.id)
        self._entry: Row = {
            **{"arm": arm, "point": "", "axes": {}, "seed": seed, "run": spec.id},
            **{"rounds": [], "notes": [], WATCHED: True},
        }
        self._record()
        self._run.begin(spec.canonical(), [spec.id])

    def finish(
        self, status: Mapping[str, Any], metrics: Sequence[Row], series: Sequence[Row], note: str
    ) -> None:
        """Write what it came to.

        Args:
            status: Status and figures.
            metrics: Rows of figures by epoch; see `thalweg.store.results.METRICS`.
            series: Rows of what the instruments saw.
            note: What a reader must know.
        """
        save_series(self._run, self._request.file, series)
        figures = [{key: row.get(key) for key in METRICS if key != "run"} for row in metrics]
        known: Row = {
            **{"epochs": len(metrics) or None, "own_epochs": len(metrics) or None},
            **{"task": None, "class_names": [], "warnings": []},
            **{"source": source_hash(), "versions": versions(), "machine": machine()},
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._run.finish({**known, **status}, figures, [], None)
        self._entry["notes"] = [note]
        self._record()
        settle(self._store.root)

    def fail(self, error: BaseException, series: Sequence[Row]) -> None:
        """Write why it did not come to its end, and what was seen until then."""
        save_series(self._run, self._request.file, series)
        told = "".join(traceback.format_exception(error))
        self._run.fail(f"{type(error).__name__}: {brief(error)}", told)
        settle(self._store.root)

    def _record(self) -> None:
        probes = {self._request.label: self._request.file}
        record_elsewhere(self._store, self._study, [self._entry], COMMAND, probes=probes)
