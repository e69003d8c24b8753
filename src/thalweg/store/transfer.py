"""Runs that come from, and go to, a results folder that another machine has."""

import json
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from thalweg.errors import ThalwegError
from thalweg.store.arrived import STATUS, faults
from thalweg.store.files import write_whole
from thalweg.store.run_directory import COMPLETE, RunDirectory
from thalweg.store.store import Store


def files_of(run: RunDirectory) -> dict[str, bytes]:
    """Return a run's files by their paths in the results folder."""
    root = run.path.parents[1]
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(run.path.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def take_in(store: Store, files: Mapping[str, bytes], runs: Collection[str]) -> None:
    """Write files of runs that were trained elsewhere, each run's status after everything else; a
    run that is complete by then loses its checkpoints.

    Args:
        store: Where to.
        files: By their paths in a results folder.
        runs: Ids of the runs that they may be of; the caller holds their locks.

    Raises:
        ThalwegError: A file is not one of these runs, or not as it was written there, or the folder
            cannot be written. Nothing is written of the first two.
    """
    contents = {PurePosixPath(name): content for name, content in files.items()}
    for path in contents:
        if path.parts[:1] != ("runs",) or path.parts[1] not in runs or ".." in path.parts:
            raise ThalwegError(f"{path}: is no file of a run that was given away to be trained")
    for name, fault in faults(files).items():
        raise ThalwegError(f"{name}: arrived damaged ({fault})")
    statuses = {path: content for path, content in contents.items() if path.name == STATUS}
    for path, content in sorted(contents.items(), key=lambda each: each[0] in statuses):
        write_whole(store.root / path, content)
    for path, content in statuses.items():
        if json.loads(content)["status"] in COMPLETE:
            store.run(path.parts[1]).drop_checkpoints()
