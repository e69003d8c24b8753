"""Names from files that become paths: none may lead out of the folder that it is put behind."""

import re
from pathlib import Path

from thalweg.errors import InputError

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def inside(folder: Path, name: str) -> Path:
    """Return ``folder / name`` for the name of a file or folder that lies right there.

    Args:
        folder: A folder of the store.
        name: As a file of the store, which may be a stranger's, tells it.

    Raises:
        InputError: The name leads elsewhere, or what lies there is a symbolic link, which may.
    """
    if not isinstance(name, str) or not _PLAIN.fullmatch(name):
        raise InputError(
            f"{folder}: {name!r} is no name of anything in it; must be letters, digits, dots, "
            "dashes or underscores"
        )
    path = folder / name
    check_no_link(path)
    return path


def check_no_link(*paths: Path) -> None:
    """Check that what is to be written lies where its path says.

    Raises:
        InputError: One of the paths is a symbolic link.
    """
    for path in paths:
        if path.is_symlink():
            raise InputError(
                f"{path}: is a symbolic link, which may lead out of the results folder; replace it "
                "by what it leads to"
            )
