"""A named choice with its options: ``{ name = "sgd", lr = 0.1 }``, or just ``"cosine"``."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from functools import cached_property
from math import isfinite
from typing import Any

from thalweg.errors import InputError
from thalweg.validation import join_path


@dataclass(frozen=True)
class Named:
    """A name and its options, checked and with every default filled in.

    Attributes:
        name: A registered name or a ``"package.module:Name"`` reference.
        options: Plain values, as they stand in the canonical JSON.
        code: Digest of the source file of a user's object; "" for a registered name.
    """

    name: str
    options: Mapping[str, Any]
    code: str = ""

    def canonical(self) -> dict[str, Any]:
        own = {"code": self.code} if self.code else {}
        return {"name": self.name, **self.options, **own}

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(json.dumps(self.canonical(), sort_keys=True))


def split_name(table: Any, path: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the other keys of a table, or of a bare name.

    Raises:
        InputError: It is neither a string nor a table with a string ``name``.
    """
    if isinstance(table, str):
        return table, {}
    if not isinstance(table, Mapping):
        raise InputError(f"{path} = {table!r}: must be a name or a table with a name")
    if "name" not in table:
        raise InputError(f"{join_path(path, 'name')}: is missing and has no default")
    name = table["name"]
    if not isinstance(name, str):
        raise InputError(f"{join_path(path, 'name')} = {name!r}: must be a string")
    for key, value in table.items():
        if _holds(value, lambda leaf: isinstance(leaf, date | time)):
            raise InputError(f"{join_path(path, key)} = {value}: must not be a date or a time")
        if _holds(value, lambda leaf: isinstance(leaf, float) and not isfinite(leaf)):
            raise InputError(f"{join_path(path, key)} = {value}: must be a finite number")
    return name, {key: value for key, value in table.items() if key not in ("name", "code")}


def _holds(value: Any, condition: Callable[[Any], bool]) -> bool:
    """Return whether a value, or one it holds, is what TOML can say and the specs' JSON cannot."""
    if isinstance(value, Mapping):
        return any(_holds(item, condition) for item in value.values())
    if isinstance(value, list):
        return any(_holds(item, condition) for item in value)
    return condition(value)
