"""Data of a user's own task, which must not change between the runs of a results folder."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from thalweg.data import Task
from thalweg.errors import ThalwegError
from thalweg.execute.models import load_named_task
from thalweg.spec import Named
from thalweg.store import Store
from thalweg.store.files import DamagedError, read_json, write_json


def check_same_data(named: Named, store: Store, data: Path | None) -> None:
    """Check that a user's own task has the data that it had when it was first trained on for this
    store, of which the SHA-256 is kept in ``OUT/tasks``. (The files of the sets that Thalweg knows
    are checked whenever they are read, and an edited source file makes another task.)

    Raises:
        ThalwegError: It has other data.
    """
    if not named.code:
        return
    found = _task_digest(named, data)
    content = {"task": named.canonical(), "data": found}
    name = hashlib.sha256(json.dumps(named.canonical(), sort_keys=True).encode()).hexdigest()
    path = store.root / "tasks" / f"{name[:16]}.json"
    try:
        before = read_json(path)
    except DamagedError:  # as a rule because it is missing
        write_json(path, content)
        return
    if before != content:
        raise ThalwegError(
            f"task {named.name!r}: its data are not those that other runs in {store.root} were "
            f"trained on; put them back, or choose another --out (or remove {path}, if all is well)"
        )


@lru_cache(maxsize=16)
def _task_digest(named: Named, data: Path | None) -> str:
    return task_digest(load_named_task(named, data))


def task_digest(task: Task) -> str:
    """Return the SHA-256 of all examples of a task, with their shapes and normalisation."""
    digest = hashlib.sha256()
    for name, split in task.splits.items():
        digest.update(f"{name} {split.mean} {split.std}".encode())
        for tensor in (split.inputs, split.targets):
            digest.update(f" {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
