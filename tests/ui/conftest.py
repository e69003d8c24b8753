import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from thalweg import Study
from thalweg.execute import Progress
from thalweg.store import Store
from thalweg.study import build_study
from thalweg.ui.app import application
from thalweg.ui.views import VIEWS

sys.path.append(str(Path(__file__).parent))  # browser.py

TABLE = {
    "study": {"name": "small", "title": "Two step sizes", "question": "Which?", "seeds": 3},
    "task": {"name": "digits"},
    "model": {"name": "mlp", "widths": [8]},
    "train": {"epochs": 3, "batch_size": 64},
    "arms": {
        "plain": {"optimizer": {"name": "sgd", "lr": [0.05, 0.2]}},
        "heavy": {"optimizer": {"name": "sgd", "momentum": 0.9, "lr": 0.1}},
        "wild": {"optimizer": {"name": "sgd", "lr": 1e30}},
    },
}


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a study of 12 runs, of which three diverge; not to be written to."""
    folder = tmp_path_factory.mktemp("results") / "out"
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(cores))})
    try:
        Study(build_study(TABLE)).run(folder, jobs=1, progress=Progress(quiet=True))
    finally:
        os.sched_setaffinity(0, cores)
    return folder


@pytest.fixture
def own(small: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be changed at will."""
    shutil.copytree(small, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def client() -> Iterator[Callable[..., TestClient]]:
    """Give a function that asks the application for a folder, as a browser on this machine."""

    def ask(folder: Path, views: Any = VIEWS, **options: Any) -> TestClient:
        app = application(Store(folder), views, **options)
        return TestClient(app, base_url="http://127.0.0.1:8899", raise_server_exceptions=False)

    yield ask
