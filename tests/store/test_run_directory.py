import subprocess
import sys
import time
from pathlib import Path

import duckdb
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from thalweg.errors import ThalwegError
from thalweg.store import RunDirectory, Store, common_checkpoint
from thalweg.store.results import CONFUSION, METRICS

SPEC = {"seed": 0}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "out", create=True)


@pytest.fixture
def runs(store: Store) -> list[RunDirectory]:
    """Three runs of a cohort with checkpoints of epochs 3 and 5."""
    found = [store.run(name) for name in ("a", "b", "c")]
    for run in found:
        run.begin(SPEC, ["a", "b", "c"])
        for epoch in (3, 5):
            run.save_checkpoint(epoch, {"epoch": epoch, "W": torch.arange(4.0)})
    return found


def test_a_run_goes_from_missing_to_running_to_done(store: Store) -> None:
    run = store.run("a")
    assert run.status() == {"status": "missing"}
    run.begin(SPEC, ["a", "b"])
    assert run.spec() == SPEC
    assert run.status() == {"status": "running", "cohort": ["a", "b"]}
    assert not run.is_complete()
    run.finish({"status": "done"}, [{"epoch": 0}], [], {"w": torch.ones(2).expand(3, 2)})
    assert run.is_complete()
    assert torch.equal(load_file(run.path / "final.safetensors")["w"], torch.ones(3, 2))


def test_a_failure_has_a_reason_and_is_not_complete(store: Store) -> None:
    run = store.run("a")
    run.fail("ValueError: no", "Traceback")
    status = {"status": "failed", "message": "ValueError: no", "traceback": "Traceback"}
    assert run.status() == status
    assert not run.is_complete()


def test_frames_have_their_columns_even_without_a_row(store: Store) -> None:
    run = store.run("a")
    run.finish({"status": "diverged"}, [], [{"true": 0, "predicted": 1, "count": 2}], {})
    metrics = pl.read_parquet(run.path / "metrics.parquet")
    assert dict(metrics.schema) == {k: v for k, v in METRICS.items() if k != "run"}
    assert len(duckdb.read_parquet(str(run.path / "metrics.parquet")).fetchall()) == 0
    confusion = pl.read_parquet(run.path / "confusion.parquet")
    assert dict(confusion.schema) == {k: v for k, v in CONFUSION.items() if k != "run"}


def test_figures_that_are_absent_or_whole_numbers_fit_their_columns(store: Store) -> None:
    run = store.run("a")
    run.finish(
        {"status": "done"},
        [{"epoch": 0, "lr": 1, "train_loss": None}, {"epoch": 1, "lr": 0.5, "train_loss": 2.0}],
        [],
        {},
    )
    metrics = pl.read_parquet(run.path / "metrics.parquet")
    assert metrics["lr"].to_list() == [1.0, 0.5]
    assert metrics["train_loss"].to_list() == [None, 2.0]
    assert metrics["test_loss"].to_list() == [None, None]


def test_the_latest_common_checkpoint_is_taken(runs: list[RunDirectory]) -> None:
    assert common_checkpoint(runs) == 5
    runs[0].save_checkpoint(7, {"epoch": 7})  # killed before the others wrote theirs
    assert common_checkpoint(runs) == 5


def test_a_missing_member_sends_all_back(runs: list[RunDirectory]) -> None:
    runs[1].checkpoints()[5].unlink()
    assert common_checkpoint(runs) == 3
    runs[2].drop_checkpoints()
    assert common_checkpoint(runs) is None


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "a folder"])
def test_a_damaged_member_sends_all_back(runs: list[RunDirectory], damage: str) -> None:
    path = runs[2].checkpoints()[5]
    whole = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    else:
        path.write_bytes({"empty": b"", "cut": whole[:-3], "garbage": whole[::-1]}[damage])
    assert common_checkpoint(runs) == 3
    with pytest.raises(ThalwegError, match="not a readable checkpoint"):
        runs[2].load_checkpoint(5)


def test_a_checkpoint_half_written_aside_is_ignored(runs: list[RunDirectory]) -> None:
    for run in runs:
        (run.path / ".checkpoint-9.safetensors.k1ll3d").write_bytes(b"half")
        (run.path / "checkpoint-9.safetensors.bak").write_bytes(b"half")
    assert common_checkpoint(runs) == 5


def test_nothing_but_results_is_left_of_a_complete_run(runs: list[RunDirectory]) -> None:
    run = runs[0]
    run.save_checkpoint(1, {"epoch": 1})
    run.finish({"status": "done"}, [], [], {"weight": torch.zeros(1)})
    results = {path for path in run.path.iterdir() if not path.name.startswith("checkpoint")}
    (run.path / ".status.json.0123456789abcdef").write_text("{")
    run.remove_leftovers()
    assert set(run.path.iterdir()) == results


def test_checkpoints_are_dropped_but_the_one_to_keep(runs: list[RunDirectory]) -> None:
    runs[0].drop_checkpoints(keep=5)
    assert list(runs[0].checkpoints()) == [5]
    runs[0].drop_checkpoints()
    assert runs[0].checkpoints() == {}


HOLDER = """
import sys, time
from pathlib import Path
from thalweg.store import Store
lock = Store(Path(sys.argv[1])).run("a").try_lock()
print(lock is not None, flush=True)
time.sleep(60)
"""


def test_a_lock_is_one_process_s_and_free_again_when_that_is_killed(store: Store) -> None:
    command = [sys.executable, "-c", HOLDER, str(store.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert store.run("a").try_lock() is None
        assert store.run("b").try_lock() is not None
        holder.kill()
    deadline = time.monotonic() + 5
    while (lock := store.run("a").try_lock()) is None:
        assert time.monotonic() < deadline
    lock.release()


def test_a_lock_that_cannot_be_written_is_named(store: Store) -> None:
    (store.root / "locks").write_text("in the way")
    with pytest.raises(ThalwegError, match=r"cannot write .*locks.*a\.lock"):
        store.run("a").try_lock()
