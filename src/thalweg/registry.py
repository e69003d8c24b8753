"""Names that a study may use, and the way from a name to the thing it names.

A registry maps a name to an `Entry`. Wherever a name is expected, ``"package.module:Name"``
brings the user's own class or function instead.
"""

import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from thalweg.errors import InputError
from thalweg.randomness import global_stream
from thalweg.validation import Options, brief, unknown

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One name: a line of help, the options it takes, and what it stands for.

    ``options`` is None for a user's own object, whose keywords are checked against its signature.
    """

    name: str
    summary: str
    options: type[Options] | None
    target: T


class Registry(Generic[T]):
    """Entries of one kind ("model", "task", ...) by name.

    Args:
        kind: What an entry is called in messages.
        adopt: Turns an imported user object into an `Entry`; it may raise `InputError`. Without
            it, only registered names are allowed.
    """

    def __init__(self, kind: str, adopt: Callable[[str, Any], Entry[T]] | None = None) -> None:
        self.kind = kind
        self._adopt = adopt
        self._entries: dict[str, Entry[T]] = {}

    def add(self, name: str, summary: str, options: type[Options], target: T) -> None:
        """Register ``target`` under ``name``."""
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = Entry(name, summary, options, target)

    def __iter__(self) -> Iterator[Entry[T]]:
        return iter(self._entries.values())

    def names(self) -> list[str]:
        return list(self._entries)

    def __getitem__(self, name: str) -> Entry[T]:
        """Return the entry of a name or of a ``package.module:Name`` reference.

        Raises:
            InputError: The name is unknown, or the reference cannot be imported.
        """
        if name in self._entries:
            return self._entries[name]
        if ":" in name and self._adopt is not None:
            return self._adopt(name, import_reference(name))
        raise InputError(unknown(self.kind, name, self._entries))


def import_reference(reference: str) -> Any:
    """Import ``package.module:Name``.

    Raises:
        InputError: The module cannot be imported, or it holds no such name.
    """
    module_name, _, attribute = reference.partition(":")
    try:
        with global_stream(0, "import"):  # a module may draw as it is imported, once a process
            module = importlib.import_module(module_name)
    except ImportError as error:
        raise InputError(
            f"{reference!r}: cannot import {module_name!r} ({brief(error)})"
        ) from error
    except Exception as error:  # the user's module runs arbitrary code on import
        raise InputError(
            f"{reference!r}: importing {module_name!r} raised {type(error).__name__}: "
            f"{brief(error)}"
        ) from error
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise InputError(
            f"{reference!r}: {unknown('name', attribute, public_names(module))}"
        ) from None


def public_names(module: object) -> list[str]:
    return [name for name in dir(module) if not name.startswith("_")]


def source_digest(reference: str) -> str:
    """Return the SHA-256 of the file that defines a user's object, or "" where it has none.

    It enters a run's identity, so that editing a model trains it again.
    """
    target = import_reference(reference)
    try:
        path = inspect.getsourcefile(target)
    except TypeError:
        return ""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if path else ""


def check_keywords(
    reference: str, target: Callable[..., Any], keywords: dict[str, Any], reserved: int = 0
) -> None:
    """Check keyword arguments against the signature of a user's callable.

    Args:
        reference: How the user named it, for the message.
        target: The callable.
        keywords: What the study gives it.
        reserved: How many leading positional arguments the caller fills itself.

    Raises:
        InputError: A keyword is not a parameter, or a required parameter is missing.
    """
    try:
        parameters = list(inspect.signature(target).parameters.values())[reserved:]
    except (TypeError, ValueError):
        return
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        allowed = [p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY]
        for key in keywords:
            if key not in allowed:
                raise InputError(f"{reference}: {unknown('key', key, allowed)}")
    for p in parameters:
        required = p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        if required and p.name not in keywords:
            raise InputError(f"{reference}: {p.name!r} has no default and must be given")
