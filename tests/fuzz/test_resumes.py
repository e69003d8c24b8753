"""Trainings that are broken off anywhere, and whose files are damaged, end with the same bits."""

import random
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from thalweg import Study
from thalweg.execute import Progress, keeper
from thalweg.store import Store, files, run_directory
from thalweg.store.verify import set_aside, verify
from thalweg.study import build_study

TABLE = {
    "study": {"name": "study", "seeds": 2},
    "task": {"name": "digits"},
    "model": {"name": "mlp", "widths": [4]},
    "optimizer": {"name": "adam", "lr": 0.01},
    "train": {"epochs": 3, "batch_size": 256},
    "arms": {"dense": {}, "ticket": {"sparsity": {"name": "imp", "keep": [0.5]}}},
}


class BrokenOff(BaseException):
    """Whatever ends a command."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed")
    train(out)
    return finals(out)


def train(out: Path) -> None:
    Study(build_study(TABLE)).run(out, jobs=1, progress=Progress(quiet=True))


def finals(out: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in out.glob("runs/*/final.safetensors")}


def break_off(out: Path, after: int) -> None:
    """Train until so many files were written."""
    whole = files.write_whole
    left = iter(range(after))

    def writing(path: Path, content: Any) -> None:
        if next(left, None) is None:
            raise BrokenOff
        whole(path, content)

    with pytest.MonkeyPatch.context() as patch:
        for module in (files, run_directory):
            patch.setattr(module, "write_whole", writing)
        with suppress(BrokenOff):
            train(out)


def damage(out: Path, how: str, which: int) -> None:
    """Shorten, change or remove a file of a run, and have it set aside as a user would."""
    found = sorted(path for path in out.glob("runs/*/*") if path.is_file())
    if not found:
        return
    path = found[which % len(found)]
    content = bytearray(path.read_bytes())
    if how == "remove":
        path.unlink()
    elif how == "truncate":
        path.write_bytes(content[: random.Random(which).randrange(len(content) + 1)])
    elif content:
        content[which % len(content)] ^= 1 << which % 8
        path.write_bytes(content)
    store = Store(out)
    set_aside(store, verify(store).faults)


STEPS = st.lists(
    st.tuples(st.just("break off"), st.integers(0, 60))
    | st.tuples(st.sampled_from(["remove", "truncate", "flip"]), st.integers(0, 10_000)),
    min_size=1,
    max_size=5,
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper, "CHECKPOINT_SECONDS", 0)  # one an epoch
        yield tmp_path / "out"


@pytest.mark.filterwarnings("ignore::thalweg.store.files.DamageWarning")
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_whatever_happens_between_the_bits_are_the_same(
    folder: Path, undisturbed: dict[str, bytes], steps: list[tuple[str, int]]
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for what, number in steps:
        if what == "break off":
            break_off(folder, number)
        elif folder.exists():
            damage(folder, what, number)
    train(folder)
    store = Store(folder)
    if set_aside(store, verify(store).faults):  # what was damaged and not needed again till now
        train(folder)
    assert finals(folder) == undisturbed
    assert len(undisturbed) == 4
