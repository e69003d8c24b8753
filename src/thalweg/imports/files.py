"""The files that are imported, as they are read; nothing in them is run or unpickled."""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from pickle import UnpicklingError
from typing import Any

from torch import Tensor

from thalweg.audit.read.folder import LARGEST, SKIPPED
from thalweg.audit.read.tables import Table, read_csv
from thalweg.audit.read.tensors import TensorFile, sort_tensors
from thalweg.errors import InputError
from thalweg.imports.columns import is_metrics
from thalweg.imports.names import TABLES, FileName, Part, read_name
from thalweg.sparsity.mask_files import MARKS
from thalweg.tensor_files import SUFFIXES, read_tensors
from thalweg.validation import brief


@dataclass(frozen=True)
class File:
    """A file that was read.

    Attributes:
        name: Path in the folder that is imported.
        told: What its name tells.
        digest: SHA-256 of its content.
        table: What a CSV file holds.
        tensors: What any other holds.
    """

    name: str
    told: FileName
    digest: str
    table: Table | None = None
    tensors: TensorFile | None = None


def find_files(what: Sequence[Path]) -> tuple[list[File], list[str]]:
    """Read files that are named one by one, or all that are known in the folders that are named.

    Returns:
        The files, and the names of those of a folder that are none of a study's.

    Raises:
        InputError: One does not exist, cannot be read, or is of a kind that is not imported.
    """
    files: list[File] = []
    aside: list[str] = []
    for path in what:
        if path.is_dir():
            found, left = _of_folder(path)
            files += found
            aside += left
        else:
            files.append(_named(path))
    return files, aside


def _named(path: Path) -> File:
    if not path.is_file():
        raise InputError(f"{path}: does not exist; name a folder, or files that end in {_kinds()}")
    told = read_name(PurePosixPath(path.name))
    if told is None:
        raise InputError(f"{path}: is of no kind that is imported; must end in {_kinds()}")
    return _read(path, path.name, told)


def _of_folder(root: Path) -> tuple[list[File], list[str]]:
    files, aside = [], []
    for path in sorted(root.rglob("*")):
        relative = PurePosixPath(path.relative_to(root).as_posix())
        hidden = any(part.startswith(".") or part in SKIPPED for part in relative.parts)
        if hidden or not path.is_file():
            continue
        told = read_name(relative)
        file = None if told is None else _read(path, str(relative), told)
        if file is None or _is_another(file):
            aside.append(str(relative))
        else:
            files.append(file)
    if not files:
        raise InputError(
            f"{root}: holds nothing that is imported (tables of figures by epoch, weights and "
            f"masks: {_kinds()})"
        )
    return files, aside


def _is_another(file: File) -> bool:
    """Return whether a table under a name of its own has no figures by epoch."""
    return file.table is not None and not file.told.sure and not is_metrics(file.table)


def _kinds() -> str:
    return ", ".join((*TABLES, *SUFFIXES))


def _read(path: Path, name: str, told: FileName) -> File:
    if path.stat().st_size > LARGEST:
        raise InputError(f"{path}: is larger than {LARGEST // 2**20} MiB, the most that is read")
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if path.suffix in TABLES:
        return File(name, told, digest, table=_table(path, name))
    tensors = _tensors(path, name)
    if told.part is Part.MASK and not tensors.masks:
        raise InputError(f"{path}: must hold masks by parameter name, tensors of 0 and 1")
    return File(name, told, digest, tensors=tensors)


def _table(path: Path, name: str) -> Table:
    try:
        table = read_csv(name, path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a UTF-8 table ({brief(error)})") from error
    if table is None:
        raise InputError(f"{path}: must have a line of column names and a row at least")
    return table


def _tensors(path: Path, name: str) -> TensorFile:
    try:
        found = read_tensors(path)
    except UnpicklingError as error:
        raise InputError(
            f"{path}: holds objects that only unpickling could make, which may run a stranger's "
            "code; must be a state dict, masks by parameter name, or safetensors"
        ) from error
    except Exception as error:  # a damaged or foreign file may make its reader raise anything
        raise InputError(f"{path}: is no readable file of tensors ({brief(error)})") from error
    tensors = sort_tensors(name, found)
    if tensors is None:
        raise InputError(f"{path}: must hold tensors by parameter name (a state dict, or masks)")
    for key, mask in tensors.masks.items():
        if not mask.numel() or not _binary(found, key):
            raise InputError(f"{path}: the mask of {key!r} must hold nothing but 0 and 1")
    return tensors


def _binary(found: Any, name: str) -> bool:
    """Return whether what a file says to be the mask of a parameter is 0 or 1 everywhere."""
    values = [found.get(f"{name}{mark}") for mark in MARKS]
    return all(
        bool(((value == 0) | (value == 1)).all()) for value in values if isinstance(value, Tensor)
    )
