"""Files of a store cut short and with flipped bits: found, set aside, made again to the same bits.

One study leaves every kind of file there is; each is damaged in a copy of the store, of which only
the file in question differs.
"""

import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.store.checksums import forget_checksums
from tests.store.conftest import one_core

from thalweg.api import Study
from thalweg.execute import Progress
from thalweg.store import RunDirectory, Store, common_checkpoint
from thalweg.store.assemble import read_results
from thalweg.store.files import DamagedError, DamageWarning
from thalweg.store.query import query
from thalweg.store.verify import Fault, set_aside, verify
from thalweg.study import build_study

TABLE = {
    "study": {"name": "small", "seeds": 2},
    "task": {"name": "digits"},
    "model": {"name": "mlp", "widths": [16]},
    "train": {"epochs": 1, "batch_size": 128},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "sparsity": {"name": "imp", "keep": [0.5], "rewind": "step:2"},
    "probes": [
        {"name": "weights"},
        {"name": "dynamics", "when": "every:5", "preset": "cheap"},
    ],
}
FLIPS = 20

Damage = Callable[[bytes], bytes]


def train(out: Path) -> None:
    with one_core():
        Study(build_study(TABLE)).run(out, jobs=1, progress=Progress(quiet=True))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of a study, with one more run that was interrupted; not to be written to."""
    out = tmp_path_factory.mktemp("whole") / "out"
    train(out)
    store = Store(out)
    first = next(run for run in store.runs() if run.has_snapshot("step:2"))
    running = store.run("0123456789abcdef")
    running.begin(first.spec(), [running.id])
    for epoch in (3, 5):
        running.save_checkpoint(epoch, first.load_snapshot("step:2"))
    return store


@pytest.fixture(scope="module")
def store(whole: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A copy, in which a test damages a file and puts it back."""
    return Store(shutil.copytree(whole.root, tmp_path_factory.mktemp("copy") / "out"))


def last_round(store: Store) -> RunDirectory:
    return store.run(store.record("small")["runs"][0]["run"])


FILES: dict[str, Callable[[Store], Path]] = {
    "spec": lambda store: last_round(store).path / "spec.json",
    "status": lambda store: last_round(store).path / "status.json",
    "metrics": lambda store: last_round(store).path / "metrics.parquet",
    "confusion": lambda store: last_round(store).path / "confusion.parquet",
    "weights": lambda store: last_round(store).weights_path,
    "masks": lambda store: last_round(store).masks_path,
    "probe": lambda store: next((last_round(store).path / "probes").glob("*.json")),
    "series": lambda store: next((last_round(store).path / "probes").glob("*.parquet")),
    "snapshot": lambda store: next(store.root.glob("runs/*/snapshot-*")),
    "checkpoint": lambda store: store.run("0123456789abcdef").path / "checkpoint-5.safetensors",
    "study": lambda store: store.study_folder("small") / "study.json",
    "store": lambda store: store.root / "store.json",
}


def damages(content: bytes, seed: str) -> Iterator[tuple[str, bytes]]:
    """Yield a file's content cut at every kilobyte and at its ends, and with a bit flipped."""
    size = len(content)
    for length in sorted({0, 1, *range(1024, size, 1024), size - 1}):
        yield f"cut to {length}", content[:length]
    draw = random.Random(seed)
    for bit in (draw.randrange(8 * size) for _ in range(FLIPS)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit} flipped", bytes(flipped)


def faults_of(store: Store) -> list[Fault]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)
        return verify(Store(store.root)).faults


def test_whole_files_have_no_fault(whole: Store) -> None:
    found = verify(whole)
    assert found.faults == []
    assert (found.runs, found.studies) == (5, 1)
    assert found.files == 1 + 2 + sum(p.is_file() for p in whole.root.glob("runs/**/[!.]*"))
    assert all(path(whole).exists() for path in FILES.values())


@pytest.mark.parametrize("kind", FILES)
def test_every_cut_and_every_flipped_bit_is_found(store: Store, kind: str) -> None:
    path = FILES[kind](store)
    content = path.read_bytes()
    tried = 0
    try:
        for what, damaged in damages(content, kind):
            path.write_bytes(damaged)
            found = faults_of(store)
            assert [store.root / each.path == path for each in found] == [True], (what, found)
            tried += 1
    finally:
        path.write_bytes(content)
    assert tried >= FLIPS + 3
    assert faults_of(store) == []


OF_RUN = ("spec", "status", "metrics", "confusion", "weights", "masks")
"""Kinds of files without which a run counts as missing."""


@pytest.fixture(params=["cut", "flipped"])
def damage(request: pytest.FixtureRequest) -> Damage:
    """Give a function that cuts a file's content in half, or flips a bit of its middle."""
    if request.param == "cut":
        return lambda content: content[: len(content) // 2]

    def flip(content: bytes) -> bytes:
        middle = len(content) // 2
        return content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]

    return flip


@pytest.mark.parametrize("kind", FILES)
def test_what_is_read_lacks_what_the_file_told_and_nothing_else(
    whole: Store, store: Store, damage: Damage, kind: str
) -> None:
    path = FILES[kind](store)
    content = path.read_bytes()
    lost = last_round(store).id
    expected = read_results(whole, "small")
    try:
        path.write_bytes(damage(content))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            opened = Store(store.root)
            counted = query(opened, "SELECT DISTINCT run FROM metrics")["run"].to_list()
            try:
                found = read_results(opened, "small")
            except DamagedError as error:
                assert kind == "study" and str(path) in str(error)
                found = None
    finally:
        path.write_bytes(content)
    silent = kind in ("snapshot", "checkpoint")
    assert bool(caught) is not silent
    for each in caught:
        assert issubclass(each.category, DamageWarning)
        assert str(path) in str(each.message) and "`thalweg verify --repair`" in str(each.message)
    # SQL reads no more of a run than it needs: of the others' files here none is asked for.
    gone = {lost} if kind in ("spec", "status", "metrics") else set()
    assert set(counted) == set(expected.rounds["run"]) - gone
    if found is None:
        return
    statuses = dict(zip(found.runs["run"], found.runs["status"], strict=True))
    assert statuses.pop(lost) == ("missing" if kind in OF_RUN else "done")
    assert set(statuses.values()) == {"done"}
    if kind in OF_RUN:
        for frame in ("metrics", "confusion", "runs"):
            rows, kept = getattr(expected, frame), getattr(found, frame)
            assert kept.filter(kept["run"] != lost).equals(rows.filter(rows["run"] != lost))
        assert lost in expected.masks and lost not in found.masks
    assert found.series.filter(run=lost).is_empty() == (kind == "series")
    assert found.probes.filter(run=lost).is_empty() == (kind == "probe")


@pytest.mark.parametrize("kind", FILES)
def test_what_was_set_aside_is_made_again_to_the_same_bits(
    whole: Store, store: Store, damage: Damage, kind: str
) -> None:
    path = FILES[kind](store)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    faults = faults_of(store)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)
        (moved,) = set_aside(Store(store.root), faults).values()
    assert moved is not None and moved.read_bytes() == damaged
    assert store.root / "quarantine" in moved.parents
    assert path.exists() == (kind == "store")
    assert faults_of(store) == []
    train(store.root)
    assert faults_of(store) == []
    for folder in ("final", "masks"):
        assert tensors(store, folder) == tensors(whole, folder)
    if kind == "checkpoint":
        assert common_checkpoint([store.run("0123456789abcdef")]) == 3
        shutil.copy(FILES[kind](whole), path)
    assert path.exists()


def tensors(store: Store, name: str) -> dict[str, bytes]:
    return {p.parent.name: p.read_bytes() for p in store.root.glob(f"runs/*/{name}.safetensors")}


def test_a_study_without_its_toml_is_set_aside(whole: Store, tmp_path: Path) -> None:
    store = Store(shutil.copytree(whole.root, tmp_path / "out"))
    for content in (b"\xff", None):
        shutil.copytree(
            whole.study_folder("small"), store.study_folder("small"), dirs_exist_ok=True
        )
        path = store.study_folder("small") / "study.toml"
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DamagedError, match=r"study\.toml: not readable"):
            read_results(store, "small")
        (fault,) = faults_of(store)
        assert store.root / fault.path == path
        set_aside(store, [fault])
        assert store.studies() == [] and faults_of(store) == []


def test_a_run_in_training_is_left_in_place(store: Store) -> None:
    path = FILES["checkpoint"](store)
    content = path.read_bytes()
    lock = store.run("0123456789abcdef").try_lock()
    assert lock is not None
    try:
        path.write_bytes(content[:-1])
        assert list(set_aside(store, faults_of(store)).values()) == [None]
        assert path.exists()
    finally:
        lock.release()
        path.write_bytes(content)


def test_a_damaged_folder_is_not_trained_into(store: Store) -> None:
    path = store.root / "store.json"
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(DamagedError, match=r"store\.json: not readable .*verify --repair"):
        Store(store.root, create=True)
    path.write_bytes(content)


def plant_nan(path: Path) -> None:
    weights = load_file(path)
    next(iter(weights.values())).view(-1)[0] = torch.nan
    save_file(weights, path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lose_a_key(path: Path) -> None:
    path.write_text(path.read_text().replace('"machine"', '"machime"'))


def change_the_seed(path: Path) -> None:
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))


def shorten(path: Path) -> None:
    save_file({name: mask[:-1].contiguous() for name, mask in load_file(path).items()}, path)


OLD_FAULTS = {
    "spec": (change_the_seed, "it is of another run"),
    "status": (lose_a_key, "it has no machine"),
    "metrics": (cut, "parquet"),
    "weights": (plant_nan, "not finite"),
    "masks": (shorten, "not of the shapes"),
}


@pytest.mark.parametrize("kind", OLD_FAULTS)
def test_runs_without_checksums_are_read_and_looked_at(
    whole: Store, tmp_path: Path, kind: str
) -> None:
    store = Store(shutil.copytree(whole.root, tmp_path / "out"))
    forget_checksums(store.root)
    assert verify(store).faults == []
    now, before = (read_results(each, "small") for each in (store, whole))
    assert now.runs.equals(before.runs) and now.metrics.equals(before.metrics)
    plant, told = OLD_FAULTS[kind]
    path = FILES[kind](store)
    plant(path)
    (fault,) = verify(store).faults
    assert store.root / fault.path == path and told in fault.fault.lower()
    with pytest.warns(DamageWarning, match="the run counts as missing"):
        assert "missing" in read_results(store, "small").runs["status"].to_list()
