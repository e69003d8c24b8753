"""A name, or a table of a name and options, as in a study file."""

from collections.abc import Mapping
from typing import Any, TypeVar

from thalweg.errors import InputError
from thalweg.registry import Registry
from thalweg.validation import Options, validate

T = TypeVar("T")

Named = str | Mapping[str, Any]
"""``"grasp"``, or ``{"name": "grasp", "temperature": 1}``."""


def resolve(registry: Registry[T], wanted: Named) -> tuple[T, Options]:
    """Return what a name stands for, with its options checked.

    Raises:
        InputError: Unknown name or option, or a value that is not allowed.
    """
    table = {"name": wanted} if isinstance(wanted, str) else dict(wanted)
    name = table.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"{registry.kind}: needs a name (allowed: {', '.join(registry.names())})")
    entry = registry[name]
    assert entry.options is not None
    return entry.target, validate(entry.options, table, registry.kind)
