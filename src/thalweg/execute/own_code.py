"""The modules that a user's own models, tasks and optimizers are made of."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from thalweg.spec import RunSpec

_INSTALLED = ("site-packages", "dist-packages")

Code = dict[Path, dict[str, bytes]]
"""Folders to import from, each with modules by relative path."""


def own_code(specs: Sequence[RunSpec]) -> Code:
    """Return the modules that specs refer to by ``package.module:Name``, and all others that were
    imported from the same folders; not those of installed packages.
    """
    roots = {
        root
        for spec in specs
        for text in _texts(spec.canonical())
        if (root := _root(text.partition(":")[0])) and not _is_installed(root)
    }
    code: Code = {root: {} for root in sorted(roots)}
    for module in list(sys.modules.values()):
        source = getattr(module, "__file__", None)
        if not isinstance(source, str) or not source.endswith(".py"):
            continue
        path = Path(source).resolve()
        for root, files in code.items():
            if path.is_relative_to(root) and not _is_installed(path) and path.is_file():
                files[path.relative_to(root).as_posix()] = path.read_bytes()
    return code


def _texts(value: Any) -> Iterator[str]:
    """Yield every text with a colon within plain values."""
    if isinstance(value, str):
        if ":" in value:
            yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _root(module: str) -> Path | None:
    """Return the folder that an imported module was found in; None where none was imported."""
    source = getattr(sys.modules.get(module), "__file__", None)
    if not isinstance(source, str):
        return None
    path = Path(source).resolve()
    levels = module.count(".") + (path.name == "__init__.py")
    return path.parents[levels]


def _is_installed(path: Path) -> bool:
    return any(part in _INSTALLED for part in path.parts) or path.is_relative_to(sys.base_prefix)
