import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from thalweg import Study
from thalweg.cli import main
from thalweg.execute import Progress
from thalweg.report import write
from thalweg.study import build_study

RATES = """
[study]
name = "rates"
seeds = 2
[task]
name = "digits"
[model]
name = "mlp"
widths = [4]
[train]
epochs = 1
[arms.quick]
optimizer = { name = "sgd", lr = 0.2 }
[arms.slow]
optimizer = { name = "sgd", lr = 1e-4 }
"""
"""A study of two arms, to which seeds can be added."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


@contextmanager
def one_core() -> Iterator[None]:
    """Train on one core: threads that wait for one another crawl where all cores are busy."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {random.choice(sorted(before))})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def thalweg(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., Done]]:
    """Give a function that runs a command in this process, in an empty working directory.

    Pages are written without the files of their figures, which take longest, but for tests that
    are marked ``figures``.
    """
    monkeypatch.chdir(tmp_path)
    if request.node.get_closest_marker("figures") is None:
        monkeypatch.setattr(write, "write_figures", lambda charts, folder: None)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["thalweg", *map(str, arguments)])
        capsys.readouterr()
        status = 0
        try:
            with one_core():
                main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        return Done(status, *capsys.readouterr())

    yield run
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]  # a user's module of this test


@pytest.fixture
def script() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Give a function that runs the installed console script."""

    def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [Path(sys.executable).parent / "thalweg", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)

    return run


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a small study, two of whose runs diverge; not to be written to."""
    folder = tmp_path_factory.mktemp("results") / "out"
    table = {
        "study": {"name": "small", "title": "Two step sizes", "seeds": 2},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [16]},
        "train": {"epochs": 2, "batch_size": 64},
        "optimizer": {"name": "sgd", "lr": [0.1, 1e30]},
    }
    with one_core():
        Study(build_study(table)).run(folder, jobs=1, progress=Progress(quiet=True))
    return folder


@pytest.fixture(scope="session")
def rates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of a study of two arms at three seeds; not to be written to."""
    folder = tmp_path_factory.mktemp("rates") / "out"
    table = {
        "study": {"name": "rates", "seeds": 3},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [4]},
        "train": {"epochs": 1},
        "arms": {
            "quick": {"optimizer": {"name": "sgd", "lr": 0.2}},
            "slow": {"optimizer": {"name": "sgd", "lr": 1e-4}},
        },
    }
    with one_core():
        Study(build_study(table)).run(folder, jobs=1, progress=Progress(quiet=True))
    return folder
