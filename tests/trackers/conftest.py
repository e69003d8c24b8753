"""A study with everything that a tracker may be told: rounds, a run in two arms, a divergence."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import one_core, thalweg

from thalweg import Results, Study
from thalweg.execute import Progress
from thalweg.study import build_study

__all__ = ["thalweg"]

TABLE: dict[str, Any] = {
    "study": {"name": "tracked", "seeds": 2},
    "task": {"name": "digits"},
    "model": {"name": "mlp", "widths": [8]},
    "train": {"epochs": 3, "batch_size": 64},
    "arms": {
        "sgd": {"optimizer": {"name": "sgd", "lr": [0.1, 1e30]}},
        "same": {"optimizer": {"name": "sgd", "lr": 0.1}},
        "ticket": {
            "optimizer": {"name": "adam", "lr": 0.01},
            "sparsity": {"name": "imp", "target": 0.75, "rounds": 2},
        },
    },
}


def run_study(out: Path, table: dict[str, Any] = TABLE, jobs: int = 1, **options: Any) -> Results:
    with one_core():
        return Study(build_study(table)).run(out, jobs, progress=Progress(quiet=True), **options)


@pytest.fixture(scope="package")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """The study, trained without a tracker; not to be written to."""
    yield run_study(tmp_path_factory.mktemp("tracked") / "out")
