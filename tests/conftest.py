"""Fixtures of the whole suite."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from numpy.typing import NDArray

from thalweg.api import Study
from thalweg.data import locate
from thalweg.execute import Progress
from thalweg.registry import trusting
from thalweg.store import Store
from thalweg.study import build_study


@pytest.fixture(autouse=True)
def _own_code() -> Iterator[None]:
    """Let tests name code of their own; a command refuses it all the same."""
    with trusting():
        yield


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


@pytest.fixture(scope="session")
def pruned_by_rounds(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of a study of rounds of pruning; shared, so not to be written to.

    A ticket that is rewound to the first epoch, with a control; one that is rewound to the
    beginning; one whose dense network diverges.
    """
    rounds = {"name": "imp", "keep": [0.5, 0.04], "rewind": "epoch:1", "controls": ["random"]}
    table = {
        "study": {"name": "pruned", "seeds": 2},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [16]},
        "train": {"epochs": 3, "batch_size": 128},
        "optimizer": {"name": "sgd", "lr": 0.2},
        "arms": {
            "ticket": {"sparsity": rounds},
            "first": {"sparsity": {"name": "imp", "keep": [0.04]}},
            "wild": {"optimizer": {"lr": 1e30}, "sparsity": {"name": "imp", "keep": [0.5, 0.04]}},
        },
    }
    store = tmp_path_factory.mktemp("pruned") / "out"
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # threads that wait crawl where all cores are busy
    try:
        Study(build_study(table)).run(store, jobs=1, progress=Progress(quiet=True))
    finally:
        os.sched_setaffinity(0, cores)
    return Store(store)
