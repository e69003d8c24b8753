"""Values that take long to make, made aside and kept for as long as they hold."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotDoneError
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

PATIENCE = 0.7
"""Seconds that a page waits for a value before it is shown without."""

LATER = 0.5
"""Seconds until a value is begun that nobody waits for: the page comes first."""

AT_A_TIME = 2
"""Values that are made side by side."""


class NotYetError(Exception):
    """A value is still being made, for the first time."""


@dataclass(frozen=True)
class Kept(Generic[Value]):
    """A value, and whether it is of the state that was asked for or of an earlier one."""

    value: Value
    fresh: bool


class Shelf:
    """Values by key, each with the mark of the state that it was made from.

    A value is made by a thread of its own, which does not keep the process from ending.

    Args:
        most: Values that are kept; the one not asked for the longest goes first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, tuple[str, Any]] = OrderedDict()
        self._making: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()
        self._turn = threading.Semaphore(AT_A_TIME)

    def get(
        self, key: Hashable, mark: str, make: Callable[[], Value], patience: float | None = PATIENCE
    ) -> Kept[Value]:
        """Return a value; one of an earlier state where making it takes longer than ``patience``.

        Raises:
            NotYetError: There is no earlier one.
            Exception: Whatever ``make`` raises.
        """
        with self._lock:
            known = self._kept.get(key)
            if known is not None:
                self._kept.move_to_end(key)
                if known[0] == mark:
                    return Kept(known[1], True)
            future = self._making.get(key)
            if future is None:
                future = self._making[key] = Future()
                arguments = (key, mark, make, future)
                thread = threading.Timer(LATER if patience == 0 else 0, self._make, arguments)
                thread.daemon = True
                thread.start()
        try:
            value = future.result(patience)
        except NotDoneError:
            if not future.done():
                if known is None:
                    raise NotYetError from None
                return Kept(known[1], False)
            raise
        with self._lock:
            return Kept(value, self._kept.get(key, ("",))[0] == mark)

    def _make(
        self, key: Hashable, mark: str, make: Callable[[], Any], future: "Future[Any]"
    ) -> None:
        with self._turn:
            try:
                value = make()
            except BaseException as error:
                with self._lock:
                    del self._making[key]
                future.set_exception(error)
                return
        with self._lock:
            del self._making[key]
            self._kept[key] = (mark, value)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        future.set_result(value)
