"""The index of a store: it answers for files that have not changed, and for no others."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import polars as pl
import pytest

from thalweg.store import Store, StudyResults, assemble, index, state
from thalweg.store.assemble import read_results
from thalweg.store.files import DamageWarning
from thalweg.store.query import query

TICK = 0.02
"""Seconds in which the times of files advance."""


@pytest.fixture
def store(pruned_by_rounds: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of which everything has been entered."""
    monkeypatch.setattr(state, "SETTLED_SECONDS", 0.0)
    copy = Store(shutil.copytree(pruned_by_rounds.root, tmp_path / "out"))
    shutil.rmtree(copy.root / "index", ignore_errors=True)
    time.sleep(TICK)
    ask(copy)
    return copy


Answers = tuple[StudyResults, list[object], list[object]]


def ask(store: Store) -> Answers:
    """Return all that reads a store by its index."""
    runs = query(store, "SELECT * FROM runs ORDER BY run").rows()
    curves = query(store, "SELECT * FROM metrics ORDER BY run, epoch").rows()
    return read_results(store, "pruned"), runs, curves


def same(found: Answers, expected: Answers) -> bool:
    frames = ("runs", "metrics", "confusion", "rounds")
    pairs = [(getattr(found[0], name), getattr(expected[0], name)) for name in frames]
    assert all(len(frame) for _, frame in pairs)
    provenance = found[0].provenance == expected[0].provenance
    rest = provenance and found[0].class_names == expected[0].class_names
    return rest and all(a.equals(b) for a, b in pairs) and found[1:] == expected[1:]


def test_what_has_not_changed_is_not_read_again(
    pruned_by_rounds: Store, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ask(pruned_by_rounds)
    monkeypatch.setattr(assemble, "describe", None)
    monkeypatch.setattr(index, "read_parquet", only_of_the_index(index.read_parquet))
    assert same(ask(store), expected)


def only_of_the_index(
    read: Callable[[Path], pl.DataFrame],
) -> Callable[[Path], pl.DataFrame]:
    def checked(path: Path) -> pl.DataFrame:
        assert path.parent.name == "index"
        return read(path)

    return checked


FILES = [*index.RECORDS, *index.RESULTS]


@pytest.mark.parametrize("name", FILES)
def test_a_bit_flipped_behind_its_back_is_found(store: Store, name: str) -> None:
    run = next(run for run in store.runs() if (run.path / "masks.safetensors").exists())
    path = run.path / name
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    time.sleep(TICK)
    with path.open("r+b") as file:  # the same inode and size, and what can be faked is
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    with pytest.warns(DamageWarning, match=name):
        rounds = read_results(store, "pruned").rounds
    assert set(rounds.filter(run=run.id)["status"]) == {"missing"}
    assert set(rounds.filter(pl.col("run") != run.id)["status"]) <= {"done", "diverged"}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_is_missed(store: Store, name: str) -> None:
    run = next(run for run in store.runs() if (run.path / "masks.safetensors").exists())
    (run.path / name).unlink()
    with pytest.warns(DamageWarning) if name != "status.json" else nullcontext():
        rounds = read_results(store, "pruned").rounds
    assert set(rounds.filter(run=run.id)["status"]) == {"missing"}


def test_an_index_that_cannot_be_read_is_made_again(pruned_by_rounds: Store, store: Store) -> None:
    expected = ask(pruned_by_rounds)
    files = sorted((store.root / "index").iterdir())
    assert len(files) == 3
    for path in files:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        assert same(ask(store), expected)
        assert path.read_bytes() != bytes(content)


def test_a_copy_of_a_store_has_an_index_of_other_files(
    pruned_by_rounds: Store, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ask(pruned_by_rounds)
    read: list[str] = []
    describe = assemble.describe
    monkeypatch.setattr(
        assemble, "describe", lambda run, files: read.append(run.id) or describe(run, files)
    )
    copy = Store(shutil.copytree(store.root, tmp_path / "copy"))
    assert same(ask(copy), expected)
    assert len(set(read)) == len(store.run_ids())


def test_what_has_just_changed_is_not_entered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(store.root / "index")
    monkeypatch.setattr(state, "SETTLED_SECONDS", 3600.0)
    ask(store)
    assert not (store.root / "index").exists()
