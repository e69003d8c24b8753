"""Writing the files of several runs at a time."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

WRITERS = 8
"""Threads. What a small file costs is the wait for the disk to have it, and waits overlap."""


class Writers:
    """Writes side by side, within a context: at its end all is written, or the first error raised.

    What one call writes is written in its order.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WRITERS)
        self._calls: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def submit(self, write: Callable[..., None], *arguments: Any) -> None:
        self._calls.append(self._pool.submit(write, *arguments))

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._pool.shutdown()
        if kind is None:
            for call in self._calls:
                call.result()
