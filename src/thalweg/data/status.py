"""Which data sets are on this machine, where, and whether their files are sound."""

from pathlib import Path
from typing import Any

from thalweg.data import sources
from thalweg.data.locate import locate, search
from thalweg.errors import InputError


def status(data: Path | None = None) -> list[dict[str, Any]]:
    """Describe every data set; nothing is downloaded.

    Args:
        data: Folder to look in first; default the value of ``THALWEG_DATA``.

    Returns:
        One row a set with the keys ``name``, ``summary``, ``available``, ``where`` (a folder,
        "built in", or None), ``verified`` (every file's hash was checked just now) and ``error``
        (what is wrong with the files there are, or None).
    """
    return [_built_in(name) for name in sources.BUILT_IN] + [
        _found(name, data) for name in sources.SOURCES
    ]


def verify(name: str | None = None, data: Path | None = None) -> list[dict[str, Any]]:
    """Check every byte of one set, or of all sets that are on this machine.

    Returns:
        Rows as those of `status`.

    Raises:
        InputError: The name is unknown, the named set is not to be found, or a file is damaged.
    """
    if name in sources.BUILT_IN:
        return [_built_in(name)]
    if name is not None:
        found = locate(name, data, download=False)
        return [_row(name, sources.SOURCES[name].summary, where=str(found.place.folder))]
    rows = status(data)
    for row in rows:
        if row["error"]:
            raise InputError(row["error"])
    return rows


def _built_in(name: str) -> dict[str, Any]:
    return _row(name, sources.BUILT_IN[name], where="built in")


def _found(name: str, data: Path | None) -> dict[str, Any]:
    summary = sources.SOURCES[name].summary
    try:
        result = search(name, data)
    except InputError as error:
        return _row(name, summary, error=str(error))
    if result.located is None:
        return _row(name, summary, error="; ".join(result.damaged) or None)
    return _row(name, summary, where=str(result.located.place.folder))


def _row(
    name: str, summary: str, where: str | None = None, error: str | None = None
) -> dict[str, Any]:
    available = where is not None
    return {
        "name": name,
        "summary": summary,
        "available": available,
        "where": where,
        "verified": available,
        "error": error,
    }
