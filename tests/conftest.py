"""Fixtures of the whole suite."""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from numpy.typing import NDArray

from thalweg.data import locate


@cache
def _found(name: str) -> dict[str, NDArray[Any]]:
    return locate.search(name).arrays


@pytest.fixture
def real_data() -> Callable[[str], dict[str, NDArray[Any]]]:
    """Give a function from a set's name to its arrays by role; shared, so not to be written to.

    Where the set is not on this machine the test is skipped, or fails if THALWEG_REQUIRE_DATA=1.
    A damaged copy in THALWEG_DATA is an error in any case.
    """

    def require(name: str) -> dict[str, NDArray[Any]]:
        arrays = _found(name)
        if not arrays:
            reason = f"{name} is not on this machine (set THALWEG_DATA to its folder)"
            if os.environ.get("THALWEG_REQUIRE_DATA") == "1":
                pytest.fail(f"THALWEG_REQUIRE_DATA=1, but {reason}")
            pytest.skip(reason)
        return arrays

    return require
