"""Check every file of a store, and set aside what is damaged."""

import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from thalweg.cohort.checkpoint import unpack
from thalweg.errors import ThalwegError
from thalweg.store.files import DamagedError, read_json, read_text
from thalweg.store.parquet import read_parquet
from thalweg.store.run_directory import COMPLETE, STAGED, RunDirectory
from thalweg.store.store import Store
from thalweg.validation import brief

QUARANTINE = "quarantine"
"""Folder of a store in which lies what was set aside."""

RECORD = ("study.json", "study.toml")
"""Files of a study's record; there is a study where the first is."""

INCOMPLETE = ("missing", "running", "failed")
"""What the status of a run may say that is not complete."""


@dataclass(frozen=True)
class Fault:
    """A file that is not as it was written.

    Attributes:
        kind: What it belongs to.
        name: The run's id, the study's name, or "store.json".
        file: Its path below the run's or study's folder.
        fault: What is wrong with it.
    """

    kind: Literal["run", "study", "store"]
    name: str
    file: str
    fault: str

    @property
    def path(self) -> Path:
        """The file's path below the store's folder."""
        folders = {"run": Path("runs", self.name), "study": Path("studies", self.name)}
        return folders.get(self.kind, Path()) / self.file


@dataclass
class Verified:
    """What a check of a store has found.

    Attributes:
        runs: Runs, complete or not.
        studies: Studies.
        files: Files that were checked.
        faults: Those that are not as they were written.
    """

    runs: int = 0
    studies: int = 0
    files: int = 0
    faults: list[Fault] = field(default_factory=list)


def verify(store: Store) -> Verified:
    """Check that every file of a store is as it was written: by its checksum, or, where a version
    without checksums wrote it, that it parses, with weights that are finite and masks of their
    shapes.
    """
    found = Verified(files=1)
    for each in _attempt(store.root / "store.json", read_json):
        found.faults.append(Fault("store", "store.json", "store.json", each.fault))
    for folder in _folders(store.root / "runs"):
        found.runs += 1
        found.files += sum(1 for path in folder.rglob("[!.]*") if path.is_file())
        by_path = {each.path: each for each in _run_faults(store.run(folder.name))}
        found.faults += [
            Fault("run", folder.name, str(path.relative_to(folder)), each.fault)
            for path, each in by_path.items()
        ]
    for folder in _folders(store.root / "studies"):
        for name, read in zip(RECORD, (read_json, _read_toml), strict=True):
            if (folder / RECORD[0]).exists():
                found.studies += name == RECORD[0]
                found.files += 1
                for each in _attempt(folder / name, read):
                    found.faults.append(Fault("study", folder.name, name, each.fault))
    return found


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _run_faults(run: RunDirectory) -> Iterator[DamagedError]:
    for path in _asides(run.path):
        for each in _attempt(path, _READERS[path.suffix]):
            if path.exists():  # the process that trains it may have dropped a checkpoint
                yield each
    if (run.path / "spec.json").exists() or (run.path / "status.json").exists():
        yield from _attempt(run.path / "spec.json", read_json)
    try:
        status = run.status()
    except DamagedError as error:
        yield error
        return
    if status.get("status") in COMPLETE:
        yield from run.faults(status)
    elif status.get("status") not in INCOMPLETE:
        yield DamagedError(run.path / "status.json", "it tells no status")


def _asides(folder: Path) -> list[Path]:
    """Return the files of a run that are not what it ended with: they can go alone."""
    probes = ("probes/[!.]*.json", "probes/[!.]*.parquet")
    patterns = (*probes, "checkpoint-*", "snapshot-*", STAGED)
    found = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    return [path for path in found if path.suffix in _READERS]


def _attempt(path: Path, read: Callable[[Path], object]) -> list[DamagedError]:
    try:
        read(path)
    except DamagedError as error:
        return [error]
    return []


def _read_state(path: Path) -> None:
    try:
        unpack(path)
    except ThalwegError as error:
        raise DamagedError(path, brief(error.__cause__ or error)) from error


def _read_toml(path: Path) -> None:
    try:
        tomllib.loads(read_text(path))
    except ValueError as error:
        raise DamagedError(path, brief(error)) from error


_READERS: dict[str, Callable[[Path], object]] = {
    ".json": read_json,
    ".parquet": read_parquet,
    ".safetensors": _read_state,
}


def set_aside(store: Store, faults: Sequence[Fault]) -> dict[Fault, Path | None]:
    """Move what is damaged into `QUARANTINE`, so that it is trained or measured again when it is
    next asked for.

    Of a run that lost a file it ended with the whole folder goes, of a study its record and its
    TOML. Measurements, checkpoints and snapshots go alone; a damaged ``store.json`` is written
    anew.

    Args:
        store: The store.
        faults: What `verify` has found.

    Returns:
        Where each file now lies; None for what another process is training.

    Raises:
        ThalwegError: The store cannot be written.
    """
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    moved: dict[Fault, Path | None] = {}
    by_owner: dict[tuple[str, str], list[Fault]] = defaultdict(list)
    for fault in faults:
        by_owner[fault.kind, fault.name].append(fault)
    for (kind, name), own in by_owner.items():
        to = store.root / QUARANTINE / f"{name}-{now}"
        if kind == "run":
            moved |= _set_run_aside(store.run(name), own, to)
        elif kind == "study":
            moved |= _move_files(store.study_folder(name), own, to, RECORD)
        else:
            moved |= _move_files(store.root, own, to)
            store.mark()
    return moved


def _set_run_aside(
    run: RunDirectory, faults: Sequence[Fault], to: Path
) -> dict[Fault, Path | None]:
    lock = run.try_lock()
    if lock is None:
        return dict.fromkeys(faults)
    with lock:
        asides = {str(path.relative_to(run.path)) for path in _asides(run.path)}
        if asides.issuperset(fault.file for fault in faults):
            return _move_files(run.path, faults, to)
        _move(run.path, to)
    return {fault: to / fault.file for fault in faults}


def _move_files(
    folder: Path, faults: Sequence[Fault], to: Path, also: Sequence[str] = ()
) -> dict[Fault, Path | None]:
    for name in {*also, *(fault.file for fault in faults)}:
        if (folder / name).exists():
            _move(folder / name, to / name)
    return {fault: to / fault.file for fault in faults}


def _move(source: Path, to: Path) -> None:
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        source.rename(to)
    except OSError as error:
        raise ThalwegError(f"cannot move {source} to {to}: {error.strerror or error}") from error
