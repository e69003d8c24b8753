"""What trackers are told of a study while it trains, by one that keeps it in memory."""

import json
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.trackers.conftest import TABLE, run_study

from thalweg import Results, api
from thalweg.errors import InputError
from thalweg.imports import import_files
from thalweg.store import Store
from thalweg.trackers import Destination, TrackingWarning, live
from thalweg.trackers.after import export_to_tracker
from thalweg.trackers.runs import entries_of, outcome_of
from thalweg.trackers.tracker import Entry, Logged, Outcome, TrackedRun, Tracker


@dataclass
class Kept:
    """What a tracker has of a run."""

    run: TrackedRun
    entries: list[Entry] = field(default_factory=list)
    ends: list[Outcome] = field(default_factory=list)


@dataclass
class Memory(Tracker):
    """A tracker that outlives a command, as a server does."""

    kept: dict[str, Kept] = field(default_factory=dict)
    delay: float = 0.0
    fails_at: int = 10**9
    calls: int = 0
    closed: int = 0

    def begin(self, run: TrackedRun) -> Logged:
        self._called()
        found = self.kept.setdefault(run.id, Kept(run))
        epoch = max((entry["epoch"] for entry in found.entries), default=-1)
        return Logged(int(epoch), any(end.status != "failed" for end in found.ends))

    def log(self, run: TrackedRun, entries: Sequence[Entry]) -> None:
        self._called()
        self.kept[run.id].entries.extend(entries)

    def end(self, run: TrackedRun, outcome: Outcome, epoch: int) -> None:
        self._called()
        assert epoch == max((entry["epoch"] for entry in self.kept[run.id].entries), default=-1)
        self.kept[run.id].ends.append(outcome)

    def close(self) -> None:
        self.closed += 1

    def _called(self) -> None:
        self.calls += 1
        time.sleep(self.delay)
        if self.calls >= self.fails_at:
            raise ConnectionError("the server is gone\nand so on")


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A tracker in the place of all others."""
    found = Memory()
    monkeypatch.setattr(Destination, "open", lambda self, study: found)
    monkeypatch.setattr("thalweg.trackers.destination.find_spec", lambda name: object())
    return found


def check_all(memory: Memory, out: Path, runs: int) -> None:
    """Check that the tracker has every run of the store once, with the store's own figures."""
    store = Store(out)
    assert set(memory.kept) == set(store.run_ids())
    assert len(memory.kept) == runs
    for run_id, kept in memory.kept.items():
        directory = store.run(run_id)
        assert kept.entries == entries_of(directory)
        assert kept.ends == [outcome_of(directory)]


def test_every_run_is_told_once_with_the_figures_of_the_store(
    memory: Memory, tmp_path: Path
) -> None:
    run_study(tmp_path / "out", track="mlflow")
    check_all(memory, tmp_path / "out", 2 * (1 + 1 + 3))
    assert memory.closed == 1
    statuses = sorted(kept.ends[0].status for kept in memory.kept.values())
    assert statuses == ["diverged"] * 2 + ["done"] * 8
    (dense,) = (k for k in memory.kept.values() if k.run.name == "ticket/seed1/round0")
    assert len(dense.entries) == 4
    assert dense.run.tags["study"] == "tracked"
    assert dense.run.parameters["optimizer.name"] == "adam"
    assert dense.run.parameters["optimizer.lr"] == 0.01
    assert dense.run.parameters["model.widths"] == "[8]"
    assert {"test_loss", "train_accuracy", "seconds"} <= dense.ends[0].figures.keys()


def test_a_run_of_two_arms_is_one_run_that_tells_both(results: Results) -> None:
    record = results.store.record("tracked")
    found = live.tracked_runs(record, lambda run_id: results.store.run(run_id).spec())
    (shared,) = (run for run in found.values() if run.name == "sgd/lr=0.1/seed0")
    assert '"arm": "same"' in shared.tags["places"]
    assert '"axes": {"optimizer.lr": 0.1}' in shared.tags["places"]


def test_a_command_given_again_tells_nothing_twice(memory: Memory, tmp_path: Path) -> None:
    run_study(tmp_path / "out", track=["mlflow", "mlflow"])
    before = {run: list(kept.entries) for run, kept in memory.kept.items()}
    run_study(tmp_path / "out", track="mlflow")
    assert {run: kept.entries for run, kept in memory.kept.items()} == before
    check_all(memory, tmp_path / "out", 10)


def test_an_interrupted_study_goes_on_where_the_tracker_stands(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the midst of a training, whose epochs so far were told."""
    monkeypatch.setattr("thalweg.execute.keeper.CHECKPOINT_SECONDS", 0.0)

    class Stop(live.Tracking):
        def on_metrics(self, metrics: Any) -> None:
            super().on_metrics(metrics)
            if any(row["epoch"] == 2 for rows in metrics.values() for row in rows):
                raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(api, "Tracking", Stop)
        with pytest.raises(KeyboardInterrupt):
            run_study(tmp_path / "out", track="mlflow")
    begun = [kept for kept in memory.kept.values() if kept.entries]
    assert begun
    assert all(kept.entries[-1]["epoch"] <= 2 and not kept.ends for kept in begun)
    assert memory.closed == 1
    run_study(tmp_path / "out", track="mlflow")
    check_all(memory, tmp_path / "out", 10)


def test_epochs_come_while_a_run_trains(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thalweg.execute.keeper.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(live, "LONGEST_REST", 0.0)
    seen: list[int] = []

    class Watch(live.Tracking):
        def on_metrics(self, metrics: Any) -> None:
            seen.append(sum(len(kept.entries) for kept in memory.kept.values()))
            super().on_metrics(metrics)
            time.sleep(0.1)

    monkeypatch.setattr(api, "Tracking", Watch)
    table = {**TABLE, "arms": {"sgd": {"optimizer": {"name": "sgd", "lr": 0.1}}}}
    run_study(tmp_path / "out", table, track="mlflow")
    assert seen == sorted(seen)
    assert 0 < seen[-1] < 2 * 4


@pytest.mark.slow  # workers import PyTorch first
def test_what_workers_train_is_told_as_it_comes(memory: Memory, tmp_path: Path) -> None:
    told: list[str] = []

    class Watch(live.Tracking):
        def on_metrics(self, metrics: Any) -> None:
            told.extend(metrics)
            super().on_metrics(metrics)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(api, "Tracking", Watch)
        run_study(tmp_path / "out", jobs=2, track="mlflow")
    assert set(told) == set(memory.kept)
    check_all(memory, tmp_path / "out", 10)


def test_runs_that_were_imported_are_exported_too(
    memory: Memory, results: Results, tmp_path: Path
) -> None:
    files = [path for path in results.export(tmp_path / "files") if path.name.startswith("same")]
    import_files(files, "theirs", tmp_path / "out", "")
    store = Store(tmp_path / "out")
    added = export_to_tracker(store, "theirs", Destination("mlflow"))
    assert set(added) == set(memory.kept)
    for kept in memory.kept.values():
        assert kept.entries == entries_of(store.run(kept.run.id))


@pytest.mark.parametrize("call", [1, 4])
def test_a_tracker_that_fails_is_one_warning_and_the_study_complete(
    memory: Memory, tmp_path: Path, call: int
) -> None:
    memory.fails_at = call
    with pytest.warns(TrackingWarning) as told:
        results = run_study(tmp_path / "out", track="mlflow:http://127.0.0.1:9")
    (warning,) = told
    assert str(warning.message) == (
        "--track mlflow:http://127.0.0.1:9: cannot be had (the server is gone); "
        "the study does without it, and what is missing there can be written with: "
        "thalweg export --study tracked --as mlflow --to http://127.0.0.1:9"
    )
    assert results.failed == {}
    memory.fails_at = 10**9
    export_to_tracker(results.store, "tracked", Destination("mlflow", "there"))
    check_all(memory, tmp_path / "out", 10)


def test_a_tracker_that_does_not_answer_is_waited_for_only_so_long(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.5)
    hangs = threading.Event()
    monkeypatch.setattr(memory, "begin", lambda run: hangs.wait(30) or Logged())
    began = time.monotonic()
    with pytest.warns(TrackingWarning, match="gave no answer for 0 s"):
        results = run_study(tmp_path / "out", track="mlflow")
    hangs.set()
    assert results.failed == {}
    assert time.monotonic() - began < 25


def test_a_run_that_failed_is_told_so(
    memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise RuntimeError("of no use")

    with monkeypatch.context() as patched:
        patched.setattr("thalweg.execute.train_cohort.prepare", fail)
        results = run_study(tmp_path / "out", track="mlflow")
    assert len(results.failed) == 10
    ends = [kept.ends for kept in memory.kept.values() if kept.ends]
    assert all(end == [Outcome("failed", {}, end[0].told)] for end in ends)
    assert {end[0].told["message"][:12] for end in ends} == {"RuntimeError", "the run it i"}
    run_study(tmp_path / "out", track="mlflow")
    assert {kept.ends[-1].status for kept in memory.kept.values()} == {"done", "diverged"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mlfow", "--track mlfow: unknown tracker 'mlfow'; did you mean 'mlflow'?"),
        ("mlflow:", "--track mlflow:: must have a place behind the colon, or no colon"),
    ],
)
def test_what_is_no_tracker_is_said_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        Destination.parse(text)
    assert str(error.value).startswith(message)


def test_a_project_is_told_only_where_there_are_projects(memory: Memory) -> None:
    assert Destination.exported("wandb:mine", "folder") == Destination(
        "wandb", "mine", Path("folder")
    )
    with pytest.raises(InputError, match="--as mlflow:x: must have no colon"):
        Destination.exported("mlflow:x", "folder")


def test_a_library_that_is_missing_is_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thalweg.trackers.destination.find_spec", lambda name: None)
    with pytest.raises(InputError) as error:
        run_study(tmp_path / "out", track="trackio")
    assert str(error.value) == (
        "--track trackio: needs the package trackio; install it with pip install 'thalweg[trackio]'"
    )
    assert not (tmp_path / "out").exists()


def test_an_export_of_what_has_not_ended_is_refused(memory: Memory, tmp_path: Path) -> None:
    results = run_study(tmp_path / "out")
    for run in results.store.runs():
        (run.path / "status.json").unlink()
    with pytest.raises(InputError, match="has no complete training"):
        export_to_tracker(results.store, "tracked", Destination("mlflow"))
    assert memory.kept == {}
    with pytest.raises(InputError, match="unknown study 'other'"):
        export_to_tracker(results.store, "other", Destination("mlflow"))


def test_nothing_is_warned_of_where_nothing_is_wrong(memory: Memory, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_study(tmp_path / "out", track=["mlflow", "tensorboard"])


# The command line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--as", "mlflow"], "--as mlflow: must be given with --to and without --prefix"),
        (["--as", "mlflow", "--to", "x", "--analysis"], "--as mlflow: must be given with --to"),
        (["--as", "mlfow", "--to", "x"], "--as mlfow: unknown tracker 'mlfow'"),
    ],
)
def test_wrong_options_of_an_export_are_a_sentence(
    thalweg: Callable[..., Any],
    results: Results,
    memory: Memory,
    arguments: list[str],
    message: str,
) -> None:
    done = thalweg("export", "--study", "tracked", "--out", results.store.root, *arguments)
    assert done.status == 2
    assert done.stderr.startswith(f"thalweg: {message}")
    assert done.stderr.count("\n") == 1


def test_a_command_tells_trackers_and_an_export_finds_nothing_new(
    thalweg: Callable[..., Any], memory: Memory
) -> None:
    train = (
        "train",
        "mlp",
        "digits",
        "--epochs",
        "1",
        "--seeds",
        "2",
        "--name",
        "short",
        "--lr",
        "0.1",
    )
    assert thalweg(*train, "--jobs", "1", "--track", "tensorboard:logs").status == 0
    assert len(memory.kept) == 2
    export = ("export", "--study", "short", "--as", "tensorboard", "--to", "logs")
    assert thalweg(*export).stdout == "logs: 0 runs are new\n"
    memory.kept.popitem()
    done = thalweg(*export, "--json")
    (status,) = json.loads(done.stdout)["added"].values()
    assert status == "done"


def test_a_failure_of_a_tracker_is_a_sentence_and_exit_status_0(
    thalweg: Callable[..., Any], memory: Memory
) -> None:
    memory.fails_at = 1
    train = (
        "train",
        "mlp",
        "digits",
        "--epochs",
        "1",
        "--seeds",
        "1",
        "--name",
        "short",
        "--lr",
        "0.1",
    )
    done = thalweg(*train, "--jobs", "1", "--track", "mlflow:http://127.0.0.1:9")
    assert done.status == 0
    told = [line for line in done.stderr.splitlines() if line.startswith("thalweg: ")]
    assert told == [line for line in told if "--track mlflow:http" in line]
    assert len(told) == 1
    done = thalweg("export", "--study", "short", "--as", "mlflow", "--to", "http://127.0.0.1:9")
    assert done.status == 1
    assert done.stderr == "thalweg: mlflow:http://127.0.0.1:9: cannot be had (the server is gone)\n"
