"""Download a data set from its mirrors; what arrives is verified before it takes its name."""

import os
from pathlib import Path
from uuid import uuid4

import pooch

from thalweg.data import sources
from thalweg.data.sources import SourceFile
from thalweg.errors import InputError, ThalwegError

TIMEOUT = 10  # seconds to connect, and between two packets
CHUNK = 2**16


def cache_folder(name: str) -> Path:
    """Return the folder of a set in the user's cache (``~/.cache/thalweg/NAME`` on Linux)."""
    return Path(pooch.os_cache("thalweg")) / name


def fetch(name: str, data: Path | None = None) -> Path:
    """Download the files of a data set that are not there yet, and return their folder.

    Files that are there and verify are kept, so an interrupted fetch goes on where it stopped.

    Args:
        name: A downloadable set.
        data: Folder to put the set's own folder ``NAME`` in; default the user's cache.

    Raises:
        InputError: The name is unknown, or belongs to a set that is built in.
        ThalwegError: No mirror gave the files, or the folder cannot be written.
    """
    source = sources.find(name)
    try:
        folder = data.expanduser() / name if data else cache_folder(name)
    except RuntimeError as error:  # "~stranger"
        raise InputError(f"{data}: {error}") from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        missing = [file for file in source.files if not _present(file, folder)]
    except OSError as error:
        raise ThalwegError(f"{folder}: cannot be written ({error.strerror})") from None
    failures = []
    for mirror in source.mirrors:
        try:
            while missing:
                _download(mirror, missing[0], folder)
                missing.pop(0)
        except ThalwegError as error:
            failures.append(str(error))  # this mirror is given up, the files it gave are kept
    if missing:
        raise ThalwegError(f"{source.title} could not be downloaded: {'; '.join(failures)}")
    return folder


def _present(file: SourceFile, folder: Path) -> bool:
    path = _target(file, folder)
    if not path.exists():
        return False
    try:
        file.read(path)
    except InputError:
        return False
    return True


def _target(file: SourceFile, folder: Path) -> Path:
    return folder / file.spellings[0]


def _download(mirror: str, file: SourceFile, folder: Path) -> None:
    """Download one file aside, verify it and move it to its name.

    A server that declares the gzip wrapper a transfer encoding has it undone on the way; the
    reader looks at the content, so the file is good either way.
    """
    target = _target(file, folder)
    url = mirror + target.name
    aside = folder / f".{target.name}.{uuid4().hex}.part"
    try:
        with aside.open("wb") as out:
            pooch.HTTPDownloader(timeout=TIMEOUT, chunk_size=CHUNK)(url, out, None)
            out.flush()
            os.fsync(out.fileno())
        file.read(aside)
        aside.replace(target)
    except OSError as error:  # the errors of requests are of this kind too
        raise ThalwegError(f"{url} ({_reason(error)})") from None
    except InputError as error:
        found = str(error).removeprefix(f"{aside}: ")
        raise ThalwegError(f"{url} gave a wrong file ({found})") from None
    finally:
        aside.unlink(missing_ok=True)


def _reason(error: OSError) -> str:
    """Say in a few words why a download failed; the text of requests runs over several lines."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    return error.strerror or type(error).__name__
