"""The store: a directory of results."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from thalweg.errors import InputError, ThalwegError
from thalweg.store.files import DamagedError, read_json, warn_damaged, write_json
from thalweg.store.names import check_no_link, inside
from thalweg.store.place import local_folder, mirror_of
from thalweg.store.run_directory import RunDirectory

FORMAT = 1
"""Version of the layout on disk."""

FOLDERS = ("runs", "studies", "locks", "quarantine", "index")

WRITTEN = ("report", "figures", "tables", "exports")
"""Folders of a study that are written to."""


class Store:
    """A directory of results, ``OUT`` in the documentation.

    Args:
        root: The directory, or a URL that one mirrors (`thalweg.store.place`).
        create: Make it where it does not exist.

    Raises:
        InputError: It does not exist, cannot be written, is something else than a results
            folder, has a symbolic link in the place of a folder of its own, or was written by a
            newer version.
        DamagedError: With ``create``, its marker is damaged; otherwise that is a warning.
    """

    def __init__(self, root: Path | str, create: bool = False) -> None:
        root = self.root = local_folder(root)
        marker = root / "store.json"
        if create:
            self._make_writable(marker)
        if not marker.exists():
            mirror = mirror_of(root)
            shown = mirror.url if mirror else root
            raise InputError(f"{shown}: is no results folder (it has no store.json)")
        check_no_link(*(root / name for name in FOLDERS))
        try:
            content = read_json(marker)
        except DamagedError as error:
            if create:
                raise
            warn_damaged(error, "the folder is read as one of this version")
            return
        found = content.get("format") if isinstance(content, dict) else None
        if not isinstance(found, int) or found > FORMAT:
            raise InputError(
                f"{root}: was written by a newer version (format {found!r}, this one reads up to "
                f"{FORMAT}); upgrade thalweg or choose another --out"
            )

    def _make_writable(self, marker: Path) -> None:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"--out {self.root}: cannot be made ({error.strerror}); choose a folder that can "
                "be written"
            ) from error
        if self._holds_other_files(marker) and not marker.exists():
            raise InputError(
                f"--out {self.root}: is not empty and no results folder; choose another"
            )
        if not os.access(self.root, os.W_OK):
            raise InputError(f"--out {self.root}: cannot be written; choose another folder")
        if not marker.exists():
            try:
                self.mark()
            except ThalwegError as error:
                raise InputError(f"--out {self.root}: {error}") from error

    def mark(self) -> None:
        """Write that the folder is a store, and of which version.

        Raises:
            ThalwegError: It cannot be written.
        """
        write_json(self.root / "store.json", {"format": FORMAT})

    def _holds_other_files(self, marker: Path) -> bool:
        """Return whether more is here than a marker being written, by another process or by one
        that was killed.
        """
        return any(not path.name.startswith(f".{marker.name}.") for path in self.root.iterdir())

    def run(self, run_id: str) -> RunDirectory:
        """Return the directory of a run, which need not exist.

        Raises:
            InputError: The id, which may be from a stranger's file, leads out of the store.
        """
        folder = inside(self.root / "runs", run_id)
        return RunDirectory(folder, self.root / "locks" / f"{run_id}.lock")

    def runs(self) -> Iterator[RunDirectory]:
        """All runs, complete or not."""
        return map(self.run, self.run_ids())

    def run_ids(self) -> list[str]:
        """Ids of all runs, in their order."""
        folder = self.root / "runs"
        if not folder.is_dir():
            return []
        with os.scandir(folder) as found:  # quicker than Path.iterdir, of tens of thousands
            names = sorted(each.name for each in found)
        return [name for name in names if os.path.exists(f"{folder}/{name}/spec.json")]  # noqa: PTH110

    def study_folder(self, name: str) -> Path:
        """Return the folder of a study, which need not exist.

        Raises:
            InputError: The name leads out of the store, or a part of the folder does.
        """
        folder = inside(self.root / "studies", name)
        check_no_link(*(folder / part for part in WRITTEN))
        return folder

    def studies(self) -> list[str]:
        """Names of the studies that were run here."""
        folder = self.root / "studies"
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if (path / "study.json").exists())

    def record(self, name: str) -> dict[str, Any]:
        """Return the record of a study.

        Raises:
            DamagedError: It is not as it was written.
        """
        record: dict[str, Any] = read_json(self.study_folder(name) / "study.json")
        return record

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the records of all studies by name; one that is damaged is left out, with a
        warning.
        """
        found = {}
        for name in self.studies():
            try:
                found[name] = self.record(name)
            except DamagedError as error:
                warn_damaged(error, "the study counts as missing")
        return found
