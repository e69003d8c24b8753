"""Ending a worker that gives no sign of life, where the user has set how long is too long."""

import faulthandler
import os
import threading
import time

from thalweg.errors import InputError

VARIABLE = "THALWEG_STALLED_AFTER"
"""Seconds, in the environment."""

STALLED = 124
"""Exit status of a worker that has ended itself for this; that of the command ``timeout``."""


def stall_limit() -> float | None:
    """Return after how many seconds without a sign a worker is to be ended; None for never.

    Raises:
        InputError: The variable is no number above 0.
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise InputError(f"{VARIABLE} = {text!r}: must be a number of seconds above 0")
    return seconds


class Watchdog:
    """Ends this process when it has given no sign for too long since the last one; where it was is
    then printed.

    Args:
        limit: Seconds; None for never.
    """

    def __init__(self, limit: float | None) -> None:
        self._sign: float | None = None
        if limit is not None:
            threading.Thread(target=self._watch, args=(limit,), daemon=True).start()

    def sign(self) -> None:
        """The work goes on."""
        self._sign = time.monotonic()

    def rest(self) -> None:
        """There is no work."""
        self._sign = None

    def _watch(self, limit: float) -> None:
        while True:
            sign = self._sign
            silent = 0.0 if sign is None else time.monotonic() - sign
            if silent >= limit:
                faulthandler.dump_traceback()
                os._exit(STALLED)
            time.sleep(min(limit - silent, 1.0))
