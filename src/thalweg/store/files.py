"""Files that appear whole or not at all, and are believed only as they were written."""

import hashlib
import json
import os
import secrets
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from thalweg.cohort.seal import MISMATCH, OPEN, check_seal, seal
from thalweg.errors import InputError, ThalwegError

_SEAL = "seal"
"""Key of a JSON object's checksum."""


class DamagedError(ThalwegError):
    """A file of the store is missing or not as it was written.

    Attributes:
        path: The file.
        fault: What is wrong with it.
    """

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(f"{path}: not readable ({fault}); `thalweg verify --repair` sets it aside")
        self.path = path
        self.fault = fault


class DamageWarning(UserWarning):
    """Something of the store counts as missing, because a file of it is damaged."""


def warn_damaged(error: DamagedError, meanwhile: str) -> None:
    """Warn of a damaged file in one sentence, given what holds until it is set aside."""
    warnings.warn(f"{error}, until then {meanwhile}", DamageWarning, stacklevel=2)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file aside, sync it, and rename it into place.

    A reader, or a process killed at any moment, sees the old content or the new, never a part.

    Raises:
        ThalwegError: The disk is full, or the folder cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise ThalwegError(f"cannot write {path}: {error.strerror or error}") from error


def move_whole(path: Path, to: Path) -> None:
    """Rename a file that `write_whole` wrote, into the place of another in the same folder.

    Raises:
        ThalwegError: The folder cannot be written.
    """
    try:
        path.replace(to)
    except OSError as error:
        raise ThalwegError(f"cannot write {to}: {error.strerror or error}") from error


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write a value as JSON, whole or not at all; an object with its checksum as the last key."""
    if isinstance(value, dict):
        value = {**value, _SEAL: OPEN}
    text = json.dumps(value, indent=indent, allow_nan=False) + "\n"
    write_whole(path, seal(text.encode()))


def read_bytes(path: Path, digest: str | None = None) -> bytes:
    """Read a file of the store, checked against a known SHA-256, or the one it carries, if any.

    Raises:
        DamagedError: It cannot be read, or is not as it was written.
    """
    try:
        content = path.read_bytes()
        if digest is None:
            check_seal(content)
    except FileNotFoundError:
        raise DamagedError(path, "it is missing") from None
    except (OSError, ValueError) as error:
        raise DamagedError(path, str(error)) from error
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise DamagedError(path, MISMATCH)
    return content


def read_text(path: Path) -> str:
    """Read a text of the store.

    Raises:
        DamagedError: It cannot be read.
    """
    content = read_bytes(path)
    try:
        return content.decode()
    except ValueError as error:
        raise DamagedError(path, str(error)) from error


def read_json(path: Path) -> Any:
    """Read a JSON file, without its checksum.

    Raises:
        DamagedError: It is not readable JSON, or not as it was written.
    """
    content = read_bytes(path)
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, str(error)) from error
    if isinstance(value, dict):
        value.pop(_SEAL, None)
    return value


def make_writable(folder: Path) -> None:
    """Make a folder that a user has named to be written to, where it does not exist.

    Raises:
        InputError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--to {folder}: cannot be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"--to {folder}: cannot be written; choose another folder")
