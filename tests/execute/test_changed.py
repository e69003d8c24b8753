"""Data or a study that have changed when it is run again, and a child that keeps a lock."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from thalweg import InputError, Results, ThalwegError
from thalweg.data import locate
from thalweg.execute import Progress, keeper, models, same_data
from thalweg.store import Store

SWAPPED = "^task 'strangers:own_digits': its data are not those that other runs in .* trained on; "


def images(seed: int) -> torch.Tensor:
    return torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def mtimes(store: Store) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in (store.root / "runs").rglob("*") if p.is_file()}


def test_data_of_one_s_own_that_are_swapped_are_found_out(
    tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results]
) -> None:
    file, out = tmp_path / "own.pt", tmp_path / "out"
    study = write_study(task={"name": "strangers:own_digits", "file": str(file)})
    torch.save(images(0), file)
    run_here(study, out)
    before = mtimes(Store(out))
    torch.save(images(1), file)
    forget_data()
    with pytest.raises(ThalwegError, match=SWAPPED):
        run_here(study, out, seeds=3)
    assert mtimes(Store(out)) == before
    torch.save(images(0), file)
    forget_data()
    assert run_here(study, out, seeds=3).failed == {}
    assert before.items() < mtimes(Store(out)).items()


def test_data_swapped_under_a_worker_fail_its_runs(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The command has the old data in memory; a worker that is started later reads the new."""
    file, other = tmp_path / "own.pt", tmp_path / "other.pt"
    torch.save(images(0), file)
    torch.save(images(1), other)
    forget_data()
    study = write_study(
        study={"name": "study", "seeds": 1},
        task={"name": "strangers:own_digits", "file": str(file)},
        optimizer={"name": "strangers:Killing", "lr": 0.1, "kills": "once"},
        train={"epochs": 4, "batch_size": 16},
    )
    monkeypatch.setenv("THALWEG_STALLED_AFTER", "1000")  # by which a single run has a worker
    monkeypatch.setenv("THALWEG_TEST_KILLS", str(tmp_path))

    class Swapping(Progress):
        def again(self, *arguments: Any) -> None:
            other.replace(file)
            super().again(*arguments)

    results = run_here(study, tmp_path / "out", progress=Swapping(quiet=True))
    (reason,) = results.failed.values()
    assert reason.startswith("task 'strangers:own_digits': its data are not those")


def forget_data() -> None:
    """Forget what a command has in memory, as the next command has."""
    models.load_named_task.cache_clear()
    models.find_traits.cache_clear()
    same_data._task_digest.cache_clear()


def test_a_known_data_set_that_is_swapped_is_found_out(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    real_data: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real_data("mnist")
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for path in locate.locate("mnist").paths.values():
        (folder / path.name).symlink_to(path)
    monkeypatch.setenv("THALWEG_DATA", str(tmp_path / "data"))
    study = write_study(
        task={"name": "mnist", "examples": 500, "validation": 0},
        train={"epochs": 1, "batch_size": 50},
    )
    forget_data()
    run_here(study, tmp_path / "out")
    labels = next(path for path in folder.iterdir() if "train-labels" in path.name)
    content = bytearray(labels.read_bytes())
    content[len(content) // 2] ^= 1
    labels.unlink()
    labels.write_bytes(content)
    forget_data()
    with pytest.raises(InputError, match=r"train-labels"):
        run_here(study, tmp_path / "out", seeds=3)
    forget_data()


def test_a_study_that_is_edited_keeps_what_is_unchanged(
    tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results]
) -> None:
    out = tmp_path / "out"
    arms: dict[str, Any] = {"kept": {}, "dropped-arm": {"optimizer": {"lr": 0.2}}, "edited": {}}
    arms["edited"] = {"optimizer": {"lr": 0.3}}
    first = run_here(write_study(arms=arms), out)
    before, rows = mtimes(first.store), first.frame()
    arms = {"kept": {}, "edited": {"optimizer": {"lr": 0.4}}, "new": {"optimizer": {"lr": 0.5}}}
    second = run_here(write_study(arms=arms), out)
    found = second.frame()
    assert set(found["arm"]) == {"kept", "edited", "new"}
    assert found.filter(arm="kept")["run"].equals(rows.filter(arm="kept")["run"])
    assert before.items() < mtimes(second.store).items()  # what was trained stays, untouched
    assert len(list(second.store.runs())) == 6 + 4
    page = second.report().path.read_text()
    assert "dropped-arm" not in page
    assert "edited" in page


def test_an_interrupted_study_that_is_edited_goes_on_with_what_is_unchanged(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper, "CHECKPOINT_SECONDS", 0.0)
    arms = {"kept": {}, "dropped-arm": {"optimizer": {"lr": 0.2}}}
    expected = run_here(write_study(study={"name": "study", "seeds": 1}, arms=arms), tmp_path / "a")
    kept = expected.frame().filter(arm="kept")["run"].item()

    class Interrupting(Progress):
        def update(self, worker: int, event: dict[str, Any]) -> None:
            if event["epoch"] == 1:
                raise KeyboardInterrupt
            super().update(worker, event)

    out = tmp_path / "out"
    study = write_study(study={"name": "study", "seeds": 1}, arms=arms)
    with pytest.raises(KeyboardInterrupt):
        run_here(study, out, progress=Interrupting(quiet=True))
    assert {run.status()["status"] for run in Store(out).runs()} == {"running"}
    del arms["dropped-arm"]
    results = run_here(write_study(study={"name": "study", "seeds": 1}, arms=arms), out)
    assert results.frame()["run"].to_list() == [kept]
    weights = results.store.run(kept).weights_path.read_bytes()
    if results.store.run(kept).status()["backend"] == "native":
        assert weights == expected.store.run(kept).weights_path.read_bytes()
    others = [run for run in Store(out).runs() if run.id != kept]
    assert [run.status()["status"] for run in others] == ["running"]


def test_a_child_of_a_user_s_code_keeps_no_lock(
    tmp_path: Path,
    write_study: Callable[..., Path],
    start: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log, out = tmp_path / "forks", tmp_path / "out"
    monkeypatch.setenv("THALWEG_TEST_FORKS", str(log))
    optimizer = {"name": "strangers:Forking", "lr": 0.1}
    driver = start(write_study(study={"name": "study", "seeds": 1}, optimizer=optimizer), out, 1)
    driver.wait_until(log.exists)
    driver.process.kill()
    driver.process.wait()
    child = int(log.read_text())
    try:
        assert psutil.Process(child).is_running()
        (run,) = Store(out).runs()
        lock = run.try_lock()
        assert lock is not None
        lock.release()
    finally:
        os.kill(child, signal.SIGKILL)
        driver.process.communicate()  # the child held its output open
