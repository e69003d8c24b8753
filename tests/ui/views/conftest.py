"""A study that was measured in every way, and functions to ask its views."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from thalweg import Study
from thalweg.execute import Progress
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.store.results import StudyResults
from thalweg.study import build_study
from thalweg.ui.content import Content
from thalweg.ui.views import VIEWS

BY_NAME = {view.name: view for view in VIEWS}

FEW = {"runs": "selected", "arms": ["sgd", "adam"], "examples": 100}

TABLE = {
    "study": {"name": "measured", "seeds": 2},
    "task": {"name": "digits"},
    "model": {"name": "mlp", "widths": [10, 8]},
    "train": {"epochs": 2, "batch_size": 128},
    "arms": {
        "sgd": {"optimizer": {"name": "sgd", "lr": [0.1, 0.3], "momentum": [0.0, 0.5]}},
        "adam": {"optimizer": {"name": "adam", "lr": [0.003, 0.01]}},
        "ticket": {
            "optimizer": {"name": "sgd", "lr": 0.3},
            "sparsity": {"name": "imp", "rewind": "epoch:1", "keep": [0.5, 0.2]},
        },
    },
    "probes": [
        {"name": "landscape", **FEW, "points": 5, "path": 4, "classes": True},
        {"name": "line", **FEW, "points": 5},
        {"name": "density", **FEW, "starts": 1, "steps": 8},
        {"name": "hessian", **FEW, "top": 3, "tolerance": 0.1, "products": 40},
        {"name": "hessian", "label": "moving", "arms": ["adam"], "examples": 50, "when": "last:2"},
        {"name": "weights"},
        {"name": "graph", "arms": ["ticket"], "nulls": 2},
    ],
}


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two arms with grids and a ticket, two seeds; not to be written to."""
    folder = tmp_path_factory.mktemp("measured") / "out"
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # threads that wait crawl where all cores are busy
    try:
        Study(build_study(TABLE)).run(folder, jobs=1, progress=Progress(quiet=True))
    finally:
        os.sched_setaffinity(0, cores)
    return Store(folder)


@pytest.fixture(scope="session")
def results(store: Store) -> StudyResults:
    return read_results(store, "measured")


@pytest.fixture(scope="session")
def show(store: Store, results: StudyResults) -> Callable[..., Content]:
    """Give a function that asks a view of the study, or of other results, by its name."""

    def ask(name: str, of: StudyResults | None = None, **asked: Any) -> Content:
        wanted = {
            key: [str(each) for each in value] if isinstance(value, list) else [str(value)]
            for key, value in asked.items()
        }
        return BY_NAME[name].show(of or results, store, wanted)

    return ask
