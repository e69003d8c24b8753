"""Whether a file has been written since."""

import os
import time
from typing import NamedTuple

SETTLED_SECONDS = 2.0
"""A change less long ago is not settled: times advance in steps, and a further change might leave
the file with the same ones.
"""


class FileState(NamedTuple):
    """The state of a file: it has not been written since, as long as the text is the same.

    Attributes:
        text: Size, inode and times of change.
        settled: Whether the last change is so long ago that another one would show.
    """

    text: str
    settled: bool


def file_state(path: str) -> FileState | None:
    """Return the state of a file; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  (of tens of thousands of files)
    except OSError:
        return None
    text = f"{found.st_size}.{found.st_ino}.{found.st_mtime_ns}.{found.st_ctime_ns}"
    age = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns)
    return FileState(text, age > SETTLED_SECONDS * 1e9)
