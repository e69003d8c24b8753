"""A file by which one of several commands may write to a folder that has no locks."""

import json
import os
import platform
import time
from typing import Any
from uuid import uuid4

LEASE_SECONDS = 60.0
"""A lease that was not renewed for so long is of a command that has died."""

RENEW_SECONDS = 15.0


class Lease:
    """The right to write, as long as a file with one's own name exists.

    Args:
        files: The file system, of fsspec; it must be able to create a file only if there is none.
        path: The file.
    """

    def __init__(self, files: Any, path: str) -> None:
        self._files = files
        self._path = path
        self._owner = f"{platform.node()}, process {os.getpid()}, {uuid4().hex[:8]}"
        self._renewed = 0.0
        self._other: tuple[bytes, float] | None = None

    def take(self) -> bool:
        """Take the lease; return False while another command has it."""
        try:
            self._files.pipe_file(self._path, self._content(), mode="create")
        except FileExistsError:
            return self._outlived() and self.take()
        self._renewed = time.monotonic()
        self._other = None
        return True

    def renew(self) -> None:
        """Tell others that the command is alive, now and then."""
        if time.monotonic() - self._renewed > RENEW_SECONDS:
            self._files.pipe_file(self._path, self._content())
            self._renewed = time.monotonic()

    def release(self) -> None:
        """Let others write."""
        self._files.rm_file(self._path)

    def _content(self) -> bytes:
        return json.dumps({"owner": self._owner, "mark": uuid4().hex}).encode()

    def _outlived(self) -> bool:
        """Return whether the lease of another command has not changed for `LEASE_SECONDS`, by the
        clock of this machine alone; it is then taken away.
        """
        try:
            content = self._files.cat_file(self._path)
        except FileNotFoundError:
            return True
        now = time.monotonic()
        if self._other is None or self._other[0] != content:
            self._other = content, now
        if now - self._other[1] < LEASE_SECONDS:
            return False
        self._files.rm_file(self._path)
        return True
