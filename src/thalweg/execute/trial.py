"""Trying what may end the process, where it ends only a child."""

import faulthandler
import os
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import suppress

import torch

TRIAL_SECONDS = 60.0
"""A trial that takes longer is given up; what is tried may still be sound."""


def deadly(attempt: Callable[[], object]) -> str | None:
    """Return by what a call ends its process, an exit status or a signal; None where it does not,
    whatever it returns or raises. It is made in a child, and nothing it prints is seen.
    """
    if not hasattr(os, "fork"):
        return None
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # Python 3.12:
        child = os.fork()  # in the midst of threads, of which the child needs none
    if child == 0:
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            faulthandler.disable()  # a caller's may print elsewhere
            torch.set_num_threads(1)
            attempt()
        finally:
            os._exit(0)
    status = _end_of(child)
    if status == 0:
        return None
    return (
        f"exit status {status}" if status > 0 else f"signal {-status}, {signal.strsignal(-status)}"
    )


def _end_of(child: int) -> int:
    deadline = time.monotonic() + TRIAL_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 0
