"""Where results lie: a folder, or a URL that a folder of this machine mirrors."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import fsspec
import pooch

from thalweg.errors import InputError, ThalwegError
from thalweg.store.mirror import Mirror
from thalweg.validation import brief

MIRRORS = "THALWEG_MIRRORS"
"""Environment variable that names the folder of mirrors; ``~/.cache/thalweg/mirrors`` if unset."""

_LOCAL = ("file", "local")

_at_end: ContextVar[bool] = ContextVar("at_end", default=False)

_open: dict[str, Mirror] = {}
"""By URL, those that this process has opened."""


def local_folder(out: str | Path) -> Path:
    """Return the folder that results lie in; of a URL its mirror, with what others have put there.

    Args:
        out: A folder, or a URL that fsspec opens: ``s3://bucket/prefix``, ``file:///folder``.

    Raises:
        InputError: The URL cannot be opened: no such kind, a package or credentials are missing, or
            there is no such bucket.
        ThalwegError: What lies there cannot be fetched, or the mirror cannot be written.
    """
    if not isinstance(out, str) or "://" not in out:
        return Path(out)
    if out not in _open:
        mirror = _mirror(out)
        if isinstance(mirror, Path):
            return mirror
        _open[out] = mirror
    return _open[out].root


def mirror_of(folder: Path) -> Mirror | None:
    """Return the mirror that a folder is, if it is one that this process has opened."""
    return next((mirror for mirror in _open.values() if mirror.root == folder), None)


@contextmanager
def settling_at_end() -> Iterator[None]:
    """Put what is complete where it is to lie at the end of the block, and not within it, though
    `settle` is called: what fails is told once, and keeps nothing from being done.

    Raises:
        ThalwegError: It cannot be put there.
    """
    within = _at_end.set(True)
    try:
        yield
    finally:
        _at_end.reset(within)
    for mirror in _open.values():
        mirror.close()


def settle(folder: Path) -> None:
    """Put what is complete in a results folder, if it is a mirror, where it is to lie.

    Raises:
        ThalwegError: It cannot be put there.
    """
    mirror = mirror_of(folder)
    if mirror is not None and not _at_end.get():
        mirror.close()


def _mirror(url: str) -> Mirror | Path:
    protocol = url.partition("://")[0]
    if protocol == "memory":
        raise InputError(f"--out {url}: must outlive the command, as no memory does")
    try:
        files, base = fsspec.core.url_to_fs(url)
    except ImportError as error:
        extra = "pip install 'thalweg[s3]'" if protocol in ("s3", "s3a") else brief(error)
        raise InputError(f"--out {url}: its package is missing: {extra}") from None
    except Exception as error:  # drivers raise what they like
        raise InputError(f"--out {url}: cannot be opened ({brief(error)})") from None
    if protocol in _LOCAL:
        return Path(base)
    folder = Path(os.environ.get(MIRRORS) or Path(pooch.os_cache("thalweg")) / "mirrors")
    mirror = Mirror(url, files, base, folder / hashlib.sha256(url.encode()).hexdigest()[:16])
    try:
        mirror.fetch()
    except ThalwegError:
        raise
    except Exception as error:
        refused = isinstance(error, FileNotFoundError | PermissionError) or (
            "credentials" in str(error).lower()
        )
        kind = InputError if refused else ThalwegError
        raise kind(f"--out {url}: cannot be read ({brief(error)})") from None
    mirror.watch()
    return mirror
