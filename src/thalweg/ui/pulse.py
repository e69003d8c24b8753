"""What the runs of a study are doing, told by the files that they write: cheap enough to ask for
every two seconds.

Nothing is locked and nothing is checked against its checksum here; a run whose status cannot be
read at all counts as damaged.
"""

import hashlib
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from thalweg.store import Store
from thalweg.store.files import DamagedError, read_json
from thalweg.store.run_directory import COMPLETE
from thalweg.store.state import file_state
from thalweg.validation import brief

TRAINING = "training"
DAMAGED = "damaged"

STATES = ("done", "diverged", "failed", DAMAGED, TRAINING, "missing")
"""What a run may be, in the order in which they are told."""

SETTLED = (*COMPLETE, "failed", DAMAGED)
"""Of these a run does not get further by itself."""

SILENT_SECONDS = 600.0
"""A training without a sign for so long has ended, or its epochs are long."""

ANEW_SECONDS = 0.4
"""A look is good for so long: a page and its state ask at once, and so may several readers."""

QUIET_SECONDS = 10.0
PROBE_SECONDS = 300.0
"""A study of which all runs are settled, and all probes measured or not, is over when nothing has
been written for so long.
"""

_STATUS = re.compile(rb'\A\{\s*"status":\s*"(\w+)"')
"""How every status begins; one that does not is read as a whole."""

_CHECKPOINT = re.compile(r"checkpoint-(\d+)\.safetensors")


@dataclass(frozen=True)
class Beat:
    """What one run is doing.

    Attributes:
        state: One of `STATES`.
        changed: When its status was written, in seconds since 1970; None where there is none.
        epoch: Epochs completed at its last checkpoint, of a run in training.
        epochs: How many it is to have, of a run in training; 0 where that is not known.
        sign: When it gave the last sign, of a run in training.
    """

    state: str
    changed: float | None = None
    epoch: int = 0
    epochs: int = 0
    sign: float | None = None

    @property
    def share(self) -> float:
        """How much of its training is done, from 0 to 1."""
        if self.state in SETTLED:
            return 1.0
        return min(self.epoch / self.epochs, 1.0) if self.epochs else 0.0


@dataclass(frozen=True)
class Pulse:
    """What a study is doing.

    Attributes:
        record: Its record.
        beats: Of its runs and rounds of pruning, by run.
        begun: When the last command that trained it began, in seconds since 1970.
        measured: How many files of its probes there are.
        written: When anything of a complete run, or the record, was written last.
        results_mark: Changes whenever what the study has found out may be different.
        mark: Changes whenever anything is.
    """

    record: Mapping[str, Any]
    beats: Mapping[str, Beat]
    begun: float
    measured: int
    written: float
    results_mark: str
    mark: str

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of runs by state, of the states that occur."""
        found = Counter(beat.state for beat in self.beats.values())
        return {state: found[state] for state in STATES if found[state]}

    @property
    def settled(self) -> int:
        return sum(self.counts.get(state, 0) for state in SETTLED)

    @cached_property
    def share(self) -> float:
        """How much of the study is trained, from 0 to 1."""
        beats = self.beats.values()
        return sum(beat.share for beat in beats) / len(beats) if beats else 1.0

    @property
    def wanted(self) -> int:
        """How many files of probes there would be if all were measured."""
        complete = sum(self.counts.get(state, 0) for state in COMPLETE)
        return complete * len(self.record.get("probes", {}))

    @property
    def over(self) -> bool:
        """Whether every run is settled and nothing has been written for a while."""
        quiet = QUIET_SECONDS if self.measured >= self.wanted else PROBE_SECONDS
        return self.settled == len(self.beats) and time.time() - self.written > quiet

    @property
    def told(self) -> str:
        """What there is to tell of it in a few words."""
        counts = ", ".join(f"{number} {state}" for state, number in self.counts.items())
        measured = f"; {self.measured} of {self.wanted} measured" if self.wanted else ""
        return f"{counts}{measured}"

    @property
    def training(self) -> dict[str, Beat]:
        """The runs in training."""
        return {run: beat for run, beat in self.beats.items() if beat.state == TRAINING}

    @property
    def silence(self) -> float | None:
        """Seconds since a run in training gave a sign; None where none is in training."""
        signs = [beat.sign for beat in self.training.values() if beat.sign is not None]
        return max(0.0, time.time() - max(signs)) if signs else None

    @property
    def alive(self) -> bool:
        """Whether a run in training has given a sign lately."""
        silence = self.silence
        return silence is not None and silence < SILENT_SECONDS

    @property
    def rate(self) -> float | None:
        """Runs a second since the last command began, parts of runs counted as such; None where it
        trains no more or has not come far enough to tell.
        """
        seconds = time.time() - self.begun
        new = sum(
            beat.share
            for beat in self.beats.values()
            if (beat.sign or beat.changed or 0) > self.begun
        )
        return new / seconds if self.alive and new > 0 and seconds > 1 else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at this rate; None where that is not known."""
        rate = self.rate
        return None if rate is None else (1 - self.share) * len(self.beats) / rate


class Watch:
    """Looks at the studies of a store again and again, and reads only what has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[str, tuple[str, dict[str, Any]]] = {}
        self._states: dict[str, tuple[str, str]] = {}
        self._epochs: dict[str, int] = {}
        self._probes: dict[str, tuple[int, frozenset[str]]] = {}
        self._pulses: dict[str, tuple[float, Pulse]] = {}
        self._lock = threading.Lock()

    def record(self, name: str) -> dict[str, Any]:
        """Return the record of a study.

        Raises:
            InputError: The name, or an id in it, leads out of the store.
            DamagedError: It is not as it was written.
        """
        path = self._store.study_folder(name) / "study.json"
        state = file_state(str(path))
        known = self._records.get(name)
        if state is None or known is None or known[0] != state.text:
            record = self._store.record(name)
            self._check(record, path)
            if state is None:
                return record
            known = self._records[name] = (state.text, record)
        return known[1]

    def _check(self, record: Any, path: Path) -> None:
        """Check that a record, which may be a stranger's, names runs of this store."""
        try:
            for entry in [*record["runs"], *record.get("rounds", [])]:
                self._store.run(entry["run"])
                entry["arm"], entry["point"], entry["seed"]
            texts = [*record.get("probes", {}).values(), record["title"], record["started"]]
        except (AttributeError, KeyError, TypeError) as error:
            raise DamagedError(path, f"it is no record of a study: {brief(error)}") from None
        if not all(isinstance(text, str) for text in texts):
            raise DamagedError(path, "it is no record of a study: a text is none")

    def pulse(self, name: str) -> Pulse:
        """Return what a study is doing, as of a moment ago.

        Raises:
            InputError: The name leads out of the store.
            DamagedError: Its record is not as it was written.
        """
        with self._lock:
            when, pulse = self._pulses.get(name, (0.0, None))
            if pulse is None or time.monotonic() - when > ANEW_SECONDS:
                pulse = self._look(name)
                self._pulses[name] = time.monotonic(), pulse
            return pulse

    def _look(self, name: str) -> Pulse:
        record = self.record(name)
        folder = self._store.study_folder(name)
        entries = [*record["runs"], *record.get("rounds", [])]
        ids = list(dict.fromkeys(entry["run"] for entry in entries))
        results, all_ = hashlib.sha256(), hashlib.sha256()
        results.update(f"{self._records.get(name, ('',))[0]}\n".encode())
        begun = os.stat(folder / "study.json").st_mtime  # noqa: PTH116
        beats, measured, written = {}, 0, begun
        files = frozenset(record.get("probes", {}).values())
        for run in ids:
            text, beat = self._beat(run)
            beats[run] = beat
            written = max(written, beat.changed or 0)
            if beat.state in SETTLED:
                results.update(f"{run} {text}\n".encode())
            else:
                all_.update(f"{run} {text} {beat.epoch}\n".encode())
            if files and beat.state in COMPLETE:
                changed, found = self._found_probes(run)
                measured += len(found & files)
                written = max(written, changed / 1e9)
                results.update(f"{changed}\n".encode())
        results_mark = results.hexdigest()[:16]
        all_.update(results_mark.encode())
        return Pulse(record, beats, begun, measured, written, results_mark, all_.hexdigest()[:16])

    def beat(self, run: str) -> tuple[str, Beat]:
        """Return what one run is doing, and a mark that changes when anything does."""
        with self._lock:
            text, beat = self._beat(run)
            changed, _ = self._found_probes(run)
        return f"{text} {beat.epoch} {changed}", beat

    def _beat(self, run: str) -> tuple[str, Beat]:
        folder = f"{self._store.root}/runs/{run}"
        path = f"{folder}/status.json"
        state = file_state(path)
        if state is None:
            return "", Beat("missing")
        known = self._states.get(run)
        if known is None or known[0] != state.text:
            known = self._states[run] = (state.text, _status(path))
        changed = int(state.text.split(".")[2]) / 1e9
        if known[1] != TRAINING:
            return state.text, Beat(known[1], changed)
        epoch, sign = _checkpoint(folder)
        if run not in self._epochs:
            self._epochs[run] = _planned(Path(folder))
        sign = max(changed, sign)
        return state.text, Beat(TRAINING, changed, epoch, self._epochs[run], sign)

    def _found_probes(self, run: str) -> tuple[int, frozenset[str]]:
        folder = f"{self._store.root}/runs/{run}/probes"
        try:
            changed = os.stat(folder).st_mtime_ns  # noqa: PTH116  (of tens of thousands)
            known = self._probes.get(run)
            if known is None or known[0] != changed:
                names = (name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208
                known = self._probes[run] = (changed, frozenset(names))
        except OSError:
            return 0, frozenset()
        return known


def merged(marks: Iterable[str]) -> str:
    """Return one mark for several."""
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()[:16]


def _status(path: str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = _STATUS.match(file.read(64))
        status = head[1].decode() if head else read_json(Path(path))["status"]
    except (OSError, DamagedError, KeyError, TypeError):
        return DAMAGED
    if status in (*COMPLETE, "failed"):
        return str(status)
    return TRAINING if status == "running" else "missing"


def _checkpoint(folder: str) -> tuple[int, float]:
    """Return the epochs of the latest checkpoint, and when it was written; zeros without one."""
    epoch, written = 0, 0.0
    try:
        with os.scandir(folder) as found:
            for each in found:
                match = _CHECKPOINT.fullmatch(each.name)
                if match and int(match[1]) >= epoch:
                    epoch, written = int(match[1]), each.stat().st_mtime
    except OSError:  # it has just been completed
        pass
    return epoch, written


def _planned(folder: Path) -> int:
    """Return how many epochs a run is to have; 0 where that cannot be read."""
    try:
        epochs = read_json(folder / "spec.json")["train"]["epochs"]
    except (DamagedError, KeyError, TypeError):
        return 0
    return epochs if isinstance(epochs, int) else 0
