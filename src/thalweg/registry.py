"""Names that a study may use, and the way from a name to the thing it names.

A registry maps a name to an `Entry`. Wherever a name is expected, ``"package.module:Name"``
brings the user's own class or function instead.

Importing a module runs whatever its author wrote, and a study may come from a stranger. So
`import_reference`, the only way from a text to an import, refuses all but the optimizers of
`LIBRARIES` unless the text was vouched for: by `trusting`, or as a name that the user gave himself
(`vouch`).
"""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from thalweg.errors import InputError, TrustError
from thalweg.randomness import global_stream
from thalweg.validation import Options, brief, unknown

T = TypeVar("T")

LIBRARIES = ("torch.optim", "pytorch_optimizer")
"""Installed packages whose subclasses of ``torch.optim.Optimizer`` any study may name."""

_trusting: ContextVar[bool] = ContextVar("trusting", default=False)
_trusted: set[str] = set()
"""References that were vouched for; a process need not be told twice."""


@contextmanager
def trusting(wanted: bool = True) -> Iterator[None]:
    """Let studies import the code that they name (``"package.module:Name"``).

    What was imported in the block may be named behind it too, by any study in this process.

    Args:
        wanted: False to refuse in the block what a block around it would allow.
    """
    before = _trusting.set(wanted)
    try:
        yield
    finally:
        _trusting.reset(before)


def trust_from_here_on() -> None:
    """Behave as if the rest of the innermost `trusting` block were in one that allows."""
    _trusting.set(True)


def is_trusting() -> bool:
    """Return whether any code may be imported here."""
    return _trusting.get()


def vouch(given: Any) -> None:
    """Let the code be imported that a name, or a table with a ``name``, refers to: the user gave it
    himself, and no file did.
    """
    name = given.get("name") if isinstance(given, Mapping) else given
    if isinstance(name, str):
        _trusted.add(name)


def check_trusted(kind: str, name: str) -> None:
    """Check that a name may be imported, if it is a reference.

    Args:
        kind: What it is the name of ("model", "optimizer.base_optimizer"), for the message.
        name: A registered name, or ``"package.module:Name"``.

    Raises:
        TrustError: It may not.
    """
    module = name.partition(":")[0]
    if module == name or _trusting.get() or name in _trusted or module in LIBRARIES:
        return
    raise TrustError(
        f"{kind} = {name!r}: would import the module {module!r}, which is no part of Thalweg and "
        "may do anything; give --trust (in Python: with thalweg.trusting()) if you trust it"
    )


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
            TrustError: The reference may not be imported.
        """
        if name in self._entries:
            return self._entries[name]
        if ":" in name and self._adopt is not None:
            return self._adopt(name, import_reference(name, self.kind))
        raise InputError(unknown(self.kind, name, self._entries))


def import_reference(reference: str, kind: str) -> Any:
    """Import ``package.module:Name``; modules in the working directory are found too.

    Args:
        reference: The name.
        kind: What it is the name of, for the message.

    Raises:
        InputError: The module cannot be imported, or it holds no such name.
        TrustError: It may not be imported.
    """
    check_trusted(kind, reference)
    if reference in _trusted or _trusting.get():
        _trusted.add(reference)
        find_modules_in(Path.cwd())
        return _imported(reference)
    found = _imported(reference)
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise TrustError(
            f"{kind} = {reference!r}: is no subclass of torch.optim.Optimizer, the only thing that "
            "a study may name of this package without --trust (in Python: with thalweg.trusting())"
        )
    return found


def find_modules_in(folder: Path) -> None:
    """Have modules found in a folder, behind all that are found without."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _imported(reference: str) -> Any:
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
    target = import_reference(reference, "code")
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
