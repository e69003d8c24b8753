from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from thalweg import InputError, Results
from thalweg.store.query import query


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_a_stranger_s_code_does_stays_with_its_own_runs(
    tmp_path: Path,
    write_study: Callable[..., Path],
    run_here: Callable[..., Results],
    monkeypatch: pytest.MonkeyPatch,
    jobs: int,
) -> None:
    arms = {
        "good": {},
        "printing": {"model": {"name": "strangers:Printing"}},
        "broken": {"optimizer": {"name": "strangers:Broken", "lr": 0.01}},
        "nan": {"model": {"name": "strangers:NotANumber"}},
        "nan-later": {"model": {"name": "strangers:NotANumber", "at_once": False}},
    }
    study = write_study(study={"name": "study", "seeds": 1}, arms=arms)
    broken = tmp_path / "broken"
    monkeypatch.setenv("THALWEG_TEST_BROKEN", str(broken))
    broken.touch()

    results = run_here(study, tmp_path / "out", jobs)
    rows = {row["arm"]: row for row in results.frame().to_dicts()}
    reason = "optimizer Broken raised RuntimeError in its step: the third bearing is loose"
    assert results.failed == {rows["broken"]["run"]: reason}
    assert rows["broken"]["message"] == reason
    assert {arm: row["status"] for arm, row in rows.items()} == {
        "good": "done",
        "printing": "done",
        "broken": "failed",
        "nan": "diverged",
        "nan-later": "diverged",
    }
    assert (rows["nan"]["diverged_step"], rows["nan-later"]["diverged_step"]) == (0, 1)
    assert rows["nan"]["test_loss"] is None
    epochs = query(results.store, "SELECT run, count(*) FROM metrics GROUP BY run")
    assert dict(epochs.rows()) == {
        rows[arm]["run"]: count for arm, count in (("good", 3), ("printing", 3), ("nan-later", 1))
    }

    broken.unlink()  # mended: what failed is tried again with the next command
    again = run_here(study, tmp_path / "out", jobs)
    assert again.failed == {}
    assert again.frame().filter(arm="broken")["status"].to_list() == ["done"]


def test_a_checkpoint_of_something_else_fails_the_run_and_not_the_study(
    tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results]
) -> None:
    study = write_study(arms={"a": {}, "b": {"optimizer": {"name": "adam", "lr": 0.1}}})
    results = run_here(study, tmp_path / "out")
    for row in results.frame().filter(arm="a").to_dicts():
        run = results.store.run(row["run"])
        run.save_checkpoint(1, {"weights": {"w": torch.ones(3)}})
        run.begin(run.spec(), [row["run"]])
    again = run_here(study, tmp_path / "out")
    assert len(again.failed) == 2
    assert again.frame()["status"].to_list() == ["failed", "failed", "done", "done"]


@pytest.mark.slow
def test_a_model_that_ends_its_process_is_a_sentence(
    tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results]
) -> None:
    study = write_study(model={"name": "strangers:Deadly"})
    results = run_here(study, tmp_path / "out", 2)
    reason = "its process ended with exit status 7; tried twice"
    assert list(results.failed.values()) == [reason, reason]
    assert results.frame()["message"].to_list() == [reason, reason]


def test_a_model_that_a_signal_ends_is_a_sentence(
    tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results]
) -> None:
    """The planner tries it, in the process of the command."""
    study = write_study(model={"name": "strangers:Segfaulting"})
    reason = (
        r"^model 'strangers:Segfaulting': ends its process \(signal 11, Segmentation fault\) when"
    )
    with pytest.raises(InputError, match=reason):
        run_here(study, tmp_path / "out")


def test_a_wrong_input_leaves_no_folder(
    tmp_path: Path, write_study: Callable[..., Path], run_here: Callable[..., Results]
) -> None:
    study = write_study(task={"name": "sine"}, model={"name": "lenet5"})
    with pytest.raises(InputError):
        run_here(study, tmp_path / "out")
    assert not (tmp_path / "out").exists()
