import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from thalweg.api import Study
from thalweg.execute import Progress
from thalweg.store import Store
from thalweg.study import build_study


@contextmanager
def one_core() -> Iterator[None]:
    """Train on one core: threads that wait for one another crawl where all cores are busy."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(before))})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture(scope="session")
def train_small() -> Callable[[Path], Store]:
    """Give a function that trains a small study into a folder: two runs that do well and two
    that diverge.
    """

    def train(out: Path) -> Store:
        table = {
            "study": {
                "name": "small",
                "title": "Größe der Schritte",
                "seeds": 2,
                "targets": {"test_accuracy": 0.5, "test_loss": [0.5, 0.01]},
            },
            "task": {"name": "digits"},
            "model": {"name": "mlp", "widths": [16]},
            "train": {"epochs": 2, "batch_size": 64},
            "optimizer": {"name": "sgd", "lr": [0.1, 1e30]},
        }
        with one_core():
            Study(build_study(table)).run(out, jobs=1, progress=Progress(quiet=True))
        return Store(out)

    return train


@pytest.fixture(scope="session")
def small(train_small: Callable[[Path], Store], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of a small study; shared, so not to be written to."""
    return train_small(tmp_path_factory.mktemp("small") / "out")
