"""Find the files of a data set on this machine, verify them and load them.

Places are searched in this order, and a set counts as found only where all four of its files are
together and each one verifies (SHA-256 of the decompressed bytes):

1. the folder given by the ``data`` argument, else by the environment variable ``THALWEG_DATA``:
   the folder itself, its subfolder ``NAME``, and torchvision's layout in it;
2. the user's cache, where `fetch` puts what it downloads;
3. torchvision's layout (``ROOT/MNIST/raw``, ``ROOT/FashionMNIST/raw``) under ``./data``,
   ``~/data`` and ``~/datasets``, the roots its users commonly pass;
4. ``/usr/share/datasets/NAME``, where Debian's packages put their files.

A given folder is an explicit choice: a damaged file in it is an error. Elsewhere a damaged file
only makes the search go on. If nothing is found the set is downloaded to the cache.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from thalweg.data import sources
from thalweg.data.fetch import cache_folder, fetch
from thalweg.data.sources import ContentError, Source, SourceFile
from thalweg.errors import InputError, ThalwegError

VARIABLE = "THALWEG_DATA"
TORCHVISION_ROOTS = (Path("data"), Path("~/data"), Path("~/datasets"))
DEBIAN_ROOT = Path("/usr/share/datasets")


@dataclass(frozen=True)
class Place:
    """A folder to look in; ``origin`` says why, ``given`` whether the user named it."""

    folder: Path
    origin: str
    given: bool = False


@dataclass(frozen=True)
class Located:
    """A data set on disk, complete and verified.

    Attributes:
        name: The set.
        place: Where it was found.
        paths: Its files, by role.
    """

    name: str
    place: Place
    paths: dict[str, Path]


@dataclass(frozen=True)
class Search:
    """What a search came to.

    Attributes:
        located: The set, or None.
        arrays: The decoded files by role; empty if the set was not found.
        notes: One a place searched in vain: the folder, and what was wrong with it.
        damaged: Those of the notes that tell of a damaged file.
    """

    located: Located | None
    arrays: dict[str, NDArray[Any]]
    notes: list[str]
    damaged: list[str]


class _AbsentError(Exception):
    """The place does not hold the set; the message says what is missing."""


def locate(name: str, data: Path | None = None, *, download: bool = True) -> Located:
    """Find a data set.

    Args:
        name: A downloadable set.
        data: Folder to look in first; default the value of ``THALWEG_DATA``.
        download: Download the set if it is nowhere on this machine.

    Raises:
        InputError: The name is unknown, the given folder does not exist or holds a damaged file
            of the set, or the set cannot be had; the message then lists every way to get it.
    """
    return _obtain(name, data, download)[0]


def load(name: str, data: Path | None = None, *, download: bool = True) -> dict[str, NDArray[Any]]:
    """Find a data set as `locate` does and return its arrays; each file is read once.

    Returns:
        By role: ``train_images`` and ``test_images``, uint8 of shape ``(N, 28, 28)``;
        ``train_labels`` and ``test_labels``, uint8 of shape ``(N,)``.

    Raises:
        InputError: As `locate`.
    """
    return _obtain(name, data, download)[1]


def search(name: str, data: Path | None = None) -> Search:
    """Look for a data set on this machine only.

    Raises:
        InputError: The name is unknown, or the given folder does not exist or holds a damaged
            file of the set.
    """
    source = sources.find(name)
    notes: list[str] = []
    damaged: list[str] = []
    for place in _places(source, data):
        try:
            located, arrays = _open(source, place)
        except _AbsentError as reason:
            notes.append(f"{place.folder} ({reason})")
        except InputError as error:
            if place.given:
                raise
            notes.append(str(error))
            damaged.append(str(error))
        else:
            return Search(located, arrays, notes, damaged)
    return Search(None, {}, notes, damaged)


def _obtain(
    name: str, data: Path | None, download: bool
) -> tuple[Located, dict[str, NDArray[Any]]]:
    source = sources.find(name)
    result = search(name, data)
    if result.located is not None:
        return result.located, result.arrays
    notes = result.notes
    if download:
        try:
            return _open(source, Place(fetch(name), "downloaded"))
        except ThalwegError as error:
            notes = [*notes, str(error)]
    raise InputError(_every_way(source, notes))


def _places(source: Source, data: Path | None) -> list[Place]:
    places = []
    given, origin = _given_folder(data)
    if given:
        places += [
            Place(folder, origin, given=True)
            for folder in (given, given / source.name, given / source.torchvision)
        ]
    places.append(Place(cache_folder(source.name), "the cache"))
    for root in TORCHVISION_ROOTS:
        try:
            folder = root.expanduser() / source.torchvision
        except RuntimeError:  # a user without a home, as in some containers
            continue
        places.append(Place(folder, "torchvision's folder"))
    if source.package:
        places.append(Place(DEBIAN_ROOT / source.name, "Debian's package"))
    return places


def _given_folder(data: Path | None) -> tuple[Path | None, str]:
    """Return the folder the user named, and how.

    Raises:
        InputError: It is not a folder.
    """
    value = os.environ.get(VARIABLE, "")
    if data is not None:
        folder, origin = data, "the data folder"
    elif value:
        folder, origin = Path(value), VARIABLE
    else:
        return None, ""
    try:
        folder = folder.expanduser()
        if folder.is_dir():
            return folder, origin
    except (OSError, RuntimeError):
        pass  # a name too long, a parent that may not be entered, a user unknown
    raise InputError(f"{origin} = {str(folder)!r}: must be a folder that exists")


def _open(source: Source, place: Place) -> tuple[Located, dict[str, NDArray[Any]]]:
    """Read all files of a set in one folder.

    Raises:
        _AbsentError: The folder does not hold the set.
        InputError: It holds a damaged file of the set.
    """
    candidates = [(file, _path(file, place.folder)) for file in source.files]
    present = [(file, path) for file, path in candidates if path is not None]
    arrays = {file.role: _read(source, file, path) for file, path in present}
    if not present:
        raise _AbsentError("nothing there")
    if len(present) < len(candidates):
        missing = [file.name for file, path in candidates if path is None]
        raise _AbsentError(f"lacks {', '.join(missing)}")
    return Located(source.name, place, {file.role: path for file, path in present}), arrays


def _path(file: SourceFile, folder: Path) -> Path | None:
    try:
        return next((folder / name for name in file.spellings if (folder / name).is_file()), None)
    except OSError as error:
        raise InputError(f"{folder}: cannot be searched ({error.strerror})") from None


def _read(source: Source, file: SourceFile, path: Path) -> NDArray[Any]:
    """Read one file; that of another known set is not a damaged one, the names are the same."""
    try:
        return file.read(path)
    except ContentError as error:
        other = sources.owner(error.found)
        if other is None or other is source:
            raise
        raise _AbsentError(f"holds {other.title}") from None


def _every_way(source: Source, notes: list[str]) -> str:
    package = f"install Debian's package {source.package}, or " if source.package else ""
    return (
        f"data set {source.name!r} was not found: run `thalweg data fetch {source.name}`, or "
        f"{package}put {', '.join(file.name + '.gz' for file in source.files)} "
        f"from {' or '.join(source.mirrors)} in a folder and set {VARIABLE} to it, or keep them "
        f"where torchvision does ({Path('data') / source.torchvision}); "
        f"searched: {'; '.join(notes)}"
    )
