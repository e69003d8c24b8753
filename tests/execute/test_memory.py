"""Memory that does not suffice: raised by a user's optimizer as PyTorch raises it."""

import gc
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from thalweg import Results
from thalweg.errors import ThalwegError
from thalweg.execute import keeper, train_cohort
from thalweg.execute.memory import is_out_of_memory, release_memory
from thalweg.execute.prepare import prepare
from thalweg.native import available

ALONE = "it does not fit into memory, though no other run trains beside it in its cohort"


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let `strangers.Hungry` run out of memory, and give the file in which it notes when."""
    monkeypatch.setenv("THALWEG_TEST_HUNGRY", str(tmp_path / "log"))
    return tmp_path / "log"


def test_cohorts_are_halved_until_they_fit_and_those_that_follow_are_cut_at_once(
    tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results], log: Path
) -> None:
    study = write_study(
        study={"name": "study", "seeds": 5},
        optimizer={"name": "strangers:Hungry", "lr": 0.1, "most": 2},
        arms={"long": {"train": {"epochs": 3}}, "short": {}},
    )
    results = run_here(study, tmp_path / "out")
    assert log.read_text().split() == ["5", "3"]
    assert results.failed == {}
    rows = {"long": [], "short": []}
    for row in results.frame().sort("arm", "seed").to_dicts():
        rows[row["arm"]].append(results.store.run(row["run"]).status()["rows"])
    assert rows == {"long": [2, 2, 1, 2, 2], "short": [2, 2, 2, 2, 1]}


def test_a_run_that_does_not_fit_alone_fails_alone(
    tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results], log: Path
) -> None:
    arms = {f"lr{i}": {"optimizer": {"lr": 0.1 / 2**i, "most": int(i < 3)}} for i in range(4)}
    study = write_study(
        study={"name": "study", "seeds": 1}, optimizer={"name": "strangers:Hungry"}, arms=arms
    )
    results = run_here(study, tmp_path / "out", 2)
    rows = {row["arm"]: row for row in results.frame().to_dicts()}
    assert results.failed == {rows["lr3"]["run"]: ALONE}
    assert [rows[arm]["status"] for arm in arms] == ["done", "done", "done", "failed"]
    status = results.store.run(rows["lr3"]["run"]).status()
    assert status["message"] == ALONE
    assert "CUDA out of memory" in status["traceback"]


def test_halves_go_on_from_the_checkpoint_they_share(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeper, "CHECKPOINT_SECONDS", 0.0)
    optimizer = {"name": "strangers:Hungry", "lr": 0.1, "at": 20}  # in the second epoch
    study = write_study(optimizer=optimizer)
    whole = run_here(study, tmp_path / "whole")
    log = tmp_path / "log"
    monkeypatch.setenv("THALWEG_TEST_HUNGRY", str(log))
    monkeypatch.setattr("strangers.Hungry.taken", 0)
    broken = run_here(study, tmp_path / "broken")
    assert log.read_text().split() == ["2"]
    assert sys.modules["strangers"].Hungry.taken == 20 + 19 + 2 * 18
    for row in broken.frame().to_dicts():
        run, expected = broken.store.run(row["run"]), whole.store.run(row["run"])
        assert (run.status()["rows"], expected.status()["rows"]) == (1, 2)
        assert run.status()["steps"] == expected.status()["steps"]
        if available():
            assert run.weights_path.read_bytes() == expected.weights_path.read_bytes()


def test_errors_of_memory_are_told_from_others() -> None:
    def reported(error: Exception) -> Exception:
        ours = ThalwegError("optimizer Some raised in its step")
        ours.__cause__ = error
        return ours

    def cut_off(error: Exception) -> Exception:
        capture = RuntimeError("operation failed due to a previous error during capture")
        capture.__context__ = error
        return capture

    with pytest.raises(RuntimeError) as found:
        torch.empty(2**55)
    assert is_out_of_memory(found.value)
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")):
        assert is_out_of_memory(error)
        assert is_out_of_memory(reported(error))
        assert is_out_of_memory(cut_off(error))
    for text in ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "std::bad_alloc"):
        assert is_out_of_memory(RuntimeError(text))
    for other in (RuntimeError("mat1 and mat2"), ValueError(), ThalwegError("cannot write")):
        assert not is_out_of_memory(other)
        assert not is_out_of_memory(reported(other))


def test_a_gpu_s_memory_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: released.append(True))
    release_memory()
    assert released == []  # asking a GPU that is not in use would take its memory
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    release_memory()
    assert released == [True]


def test_a_training_is_gone_as_soon_as_it_is_over(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Garbage that waits to be collected takes the memory of the cohorts that follow."""
    held: list[weakref.ref[Tensor]] = []

    def noting(*arguments: Any) -> Any:
        training, warnings = prepare(*arguments)
        held.append(weakref.ref(training.cohort.W))
        return training, warnings

    monkeypatch.setattr(train_cohort, "prepare", noting)
    gc.disable()
    try:
        run_here(write_study(arms={"sgd": {}, "long": {"train": {"epochs": 3}}}), tmp_path / "out")
        assert [weights() for weights in held] == [None, None]
    finally:
        gc.enable()
