"""The store: a directory of results."""

import os
from collections.abc import Iterator
from pathlib import Path

from thalweg.errors import InputError, ThalwegError
from thalweg.store.files import read_json, write_json
from thalweg.store.run_directory import RunDirectory

FORMAT = 1
"""Version of the layout on disk."""


class Store:
    """A directory of results, ``OUT`` in the documentation.

    Args:
        root: The directory.
        create: Make it where it does not exist.

    Raises:
        InputError: It does not exist, cannot be written, is something else than a results
            folder, or was written by a newer version.
    """

    def __init__(self, root: Path, create: bool = False) -> None:
        self.root = root
        marker = root / "store.json"
        if create:
            self._make_writable(marker)
        if not marker.exists():
            raise InputError(f"{root}: is no results folder (it has no store.json)")
        content = read_json(marker)
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
                write_json(marker, {"format": FORMAT})
            except ThalwegError as error:
                raise InputError(f"--out {self.root}: {error}") from error

    def _holds_other_files(self, marker: Path) -> bool:
        """Return whether more is here than a marker being written, by another process or by one
        that was killed.
        """
        return any(not path.name.startswith(f".{marker.name}.") for path in self.root.iterdir())

    def run(self, run_id: str) -> RunDirectory:
        return RunDirectory(self.root / "runs" / run_id, self.root / "locks" / f"{run_id}.lock")

    def runs(self) -> Iterator[RunDirectory]:
        """All runs, complete or not."""
        folder = self.root / "runs"
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if (path / "spec.json").exists():
                yield self.run(path.name)

    def study_folder(self, name: str) -> Path:
        return self.root / "studies" / name

    def studies(self) -> list[str]:
        """Names of the studies that were run here."""
        folder = self.root / "studies"
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if (path / "study.json").exists())
