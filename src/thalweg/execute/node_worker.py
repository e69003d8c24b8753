"""A worker process on a node of a cluster: it finds out what of the command's machine is there.

Nothing is believed of a path: the results folder is the same one if a file that the command wrote
there can be read here, a module is the same one if its bytes are, and data sets are verified.
"""

import hashlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from thalweg.data.locate import search
from thalweg.errors import InputError, ThalwegError
from thalweg.execute.options import Resources
from thalweg.execute.worker import Parent, serve
from thalweg.store import Store


def main(settings: Mapping[str, Any]) -> None:
    """Serve the actor that started this process until its end of the pipe closes.

    Args:
        settings: What the command, and the actor, have said; see `thalweg.execute.ray_pool`.
    """
    parent = Parent()
    scratch = Path(settings["scratch"])
    shared = _reads(Path(settings["probe"]), settings["token"])
    data = Path(settings["data"]) if settings["data"] else None
    data = data if data and data.is_dir() else None
    missing = [root for root, files in settings["code"].items() if not _same(Path(root), files)]
    has_data = _finds(settings["sets"], data)
    parent.tell({"event": "place", "shared": shared, "code": missing, "data": not has_data})
    answer = parent.read()
    # At the end, because a module beside a study must not take the place of Python's own.
    sys.path.extend(answer["code"].get(root, root) for root in settings["code"])
    if not has_data:
        data = Path(answer["data"])
    try:
        store = Store(Path(settings["store"])) if shared else Store(scratch, create=True)
    except ThalwegError as error:
        parent.tell({"event": "error", "message": f"node {settings['node']}: {error}"})
        return
    resources = Resources(
        settings["device"], settings["jobs"], settings["threads"], data, settings["backend"]
    )
    serve(parent, resources, store, lambda: shutil.rmtree(scratch.parent, ignore_errors=True))


def _reads(probe: Path, token: str) -> bool:
    try:
        return probe.read_text() == token
    except (OSError, ValueError):
        return False


def _same(root: Path, files: Mapping[str, str]) -> bool:
    """Return whether a folder has modules of the given SHA-256."""
    try:
        return all(
            hashlib.sha256((root / name).read_bytes()).hexdigest() == digest
            for name, digest in files.items()
        )
    except OSError:
        return False


def _finds(sets: Sequence[str], data: Path | None) -> bool:
    """Return whether all data sets are on this node, verified."""
    try:
        return all(search(name, data).located is not None for name in sets)
    except InputError:
        return False
