"""The files ``run-ID.wandb`` that W&B keeps of a run, as values; W&B is not needed.

A file is a log of records in LevelDB's format: blocks of 32 KiB, in which every piece has a header
of checksum (4 bytes), length (2) and type (1). A record is a ``Record`` of W&B's
``wandb_internal.proto``, of which only what is needed here is read. Nothing in it is run; a file
may be torn at its end, as of a run that still trains.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from thalweg.errors import InputError

MAGIC = b":W&B"
HEADER = 7
BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4

HISTORY, SUMMARY, CONFIG, RUN, EXIT = 2, 3, 5, 17, 18
"""Fields of a ``Record``."""


@dataclass
class WandbFile:
    """What a file tells of its run.

    Attributes:
        id: The run's id in W&B.
        project: Its project.
        name: Its name for people.
        group: Its group.
        config: What was asked of it.
        summary: Its figures at the end.
        history: Rows of figures, each with its ``_step``.
        exit_code: None where the run has not ended.
    """

    id: str = ""
    project: str = ""
    name: str = ""
    group: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int | None = None


def read_wandb_file(path: Path) -> WandbFile:
    """Return what a file tells.

    Raises:
        InputError: It is none of W&B's, or damaged.
    """
    found = WandbFile()
    try:
        for record in _records(path.read_bytes(), path):
            for number, content in _fields(record):
                if isinstance(content, bytes):
                    _take(found, number, content)
    except (ValueError, IndexError, struct.error, RecursionError) as error:
        raise InputError(f"{path}: is no readable file of W&B") from error
    return found


def _records(data: bytes, path: Path) -> Iterator[bytes]:
    if data[: len(MAGIC)] != MAGIC:
        raise InputError(f"{path}: is no readable file of W&B")
    position, parts = HEADER, bytearray()
    while position + HEADER <= len(data):
        left = BLOCK - position % BLOCK
        if left < HEADER:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        piece = data[position + HEADER : position + HEADER + length]
        if len(piece) < length or kind not in (FULL, FIRST, MIDDLE, LAST):
            return  # torn, or what was reserved and not written
        if kind in (FULL, FIRST):
            parts.clear()
        parts += piece
        if kind in (FULL, LAST):
            yield bytes(parts)
        position += HEADER + length


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message of Protocol Buffers: whole numbers and what has a length."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
        elif kind == 2:
            length, position = _varint(message, position)
            if position + length > len(message):
                raise ValueError("a field is longer than its message")
            yield key >> 3, message[position : position + length]
            position += length
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            raise ValueError("no such kind of field")


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _take(found: WandbFile, number: int, content: bytes) -> None:
    if number == HISTORY:
        found.history.append(_history(content))
    elif number == SUMMARY:
        _update(found.summary, content)
    elif number == CONFIG:
        _update(found.config, content)
    elif number == RUN:
        texts = {1: "id", 3: "project", 6: "group", 8: "name"}
        for own, value in _fields(content):
            if own in texts and isinstance(value, bytes):
                setattr(found, texts[own], value.decode("utf-8", "replace"))
            elif own in (4, 5) and isinstance(value, bytes):
                _update(found.config if own == 4 else found.summary, value)
    elif number == EXIT:
        codes = [value for own, value in _fields(content) if own == 1]
        found.exit_code = int(codes[-1]) if codes and isinstance(codes[-1], int) else 0


def _history(content: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for own, value in _fields(content):
        if own == 1 and isinstance(value, bytes):
            _put(row, value)
        elif own == 2 and isinstance(value, bytes):
            numbers = [n for key, n in _fields(value) if key == 1]
            row.setdefault("_step", numbers[-1] if numbers else 0)
    return row


def _update(table: dict[str, Any], content: bytes) -> None:
    for own, value in _fields(content):
        if own == 1 and isinstance(value, bytes):
            _put(table, value)


def _put(table: dict[str, Any], item: bytes) -> None:
    """Enter an item, whose key may lead into tables, with its value in JSON."""
    keys: list[str] = []
    told: Any = None
    for own, value in _fields(item):
        if own in (1, 2) and isinstance(value, bytes):
            keys.append(value.decode("utf-8", "replace"))
        elif own == 16 and isinstance(value, bytes):
            told = json.loads(value)
    if not keys:
        return
    for key in keys[:-1]:
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        table = inner
    table[keys[-1]] = told
