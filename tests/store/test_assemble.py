import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.store.checksums import forget_checksums

from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.store.query import query
from thalweg.store.results import CONFUSION, METRICS, RUNS


def test_the_frames_have_their_columns(small: Store) -> None:
    results = read_results(small, "small")
    assert dict(results.runs.schema) == RUNS
    assert dict(results.metrics.schema) == METRICS
    assert dict(results.confusion.schema) == CONFUSION


def test_the_record_comes_back(small: Store) -> None:
    results = read_results(small, "small")
    assert (results.name, results.title) == ("small", "Größe der Schritte")
    assert 'title = "Größe der Schritte"' in results.provenance["study_file"]
    assert results.class_names == {"digits": list("0123456789")}
    assert results.selection == "validation_accuracy"
    assert results.targets == {"test_accuracy": [0.5], "test_loss": [0.5, 0.01]}
    assert results.provenance["started"] <= results.provenance["finished"]


def test_a_diverged_run_has_a_cost_but_no_figures(small: Store) -> None:
    runs = read_results(small, "small").runs
    diverged = runs.filter(runs["status"] == "diverged")
    assert len(diverged) == 2
    for name in ("train_loss", "test_loss", "test_accuracy", "validation_loss"):
        assert diverged[name].null_count() == 2
        assert runs.filter(runs["status"] == "done")[name].null_count() == 0
    assert diverged["diverged_step"].null_count() == 0
    assert diverged["seconds"].null_count() == 0


def test_costs_are_recorded_at_every_evaluation(small: Store) -> None:
    results = read_results(small, "small")
    for run in results.runs.filter(pl.col("status") == "done").to_dicts():
        rows = results.metrics.filter(pl.col("run") == run["run"]).to_dicts()
        assert [row["epoch"] for row in rows] == [0, 1, 2]
        assert [row["gradient_evaluations"] for row in rows] == [row["step"] for row in rows]
        assert [row["examples"] for row in rows] == [0, 1150, 2300]
        assert {row["loss_evaluations"] + row["products"] for row in rows} == {0}
        for cost in ("examples", "gradient_evaluations", "flops"):
            assert rows[-1][cost] == run[cost]
        seconds = [row["seconds"] for row in rows]
        assert 0 < seconds[0] < seconds[1] < seconds[2] <= run["seconds"]


def test_costs_that_were_not_recorded_are_null(
    train_small: Callable[[Path], Store], tmp_path: Path
) -> None:
    store = train_small(tmp_path / "out")
    new = ["examples", "gradient_evaluations", "loss_evaluations", "products", "flops"]
    for run in store.runs():
        path = run.path / "metrics.parquet"
        pl.read_parquet(path).drop(new).write_parquet(path)
    record = store.study_folder("small") / "study.json"
    record.write_text(
        json.dumps({k: v for k, v in json.loads(record.read_text()).items() if k != "targets"})
    )
    forget_checksums(store.root)
    results = read_results(store, "small")
    assert dict(results.metrics.schema) == METRICS and results.targets == {}
    assert results.metrics["seconds"].null_count() == 0
    assert results.metrics.select(new).null_count().row(0) == (len(results.metrics),) * 5
    assert query(store, "SELECT count(flops) AS known FROM metrics")["known"].item() == 0


def test_axes_and_hyperparameters_are_json(small: Store) -> None:
    for row in read_results(small, "small").runs.to_dicts():
        assert json.loads(row["axes"]) == {"optimizer.lr": row["lr"]}
        assert json.loads(row["hyperparameters"])["lr"] == row["lr"]


def test_confusion_counts_every_test_example(small: Store) -> None:
    results = read_results(small, "small")
    done = results.runs.filter(results.runs["status"] == "done")
    counted = results.confusion.group_by("run").sum()
    assert set(counted["run"]) == set(done["run"])
    assert set(counted["count"]) == {360}


def test_an_unknown_study_is_named_with_the_nearest(small: Store) -> None:
    with pytest.raises(InputError, match=r"unknown study 'smal'; did you mean 'small'\?"):
        read_results(small, "smal")


def test_runs_that_are_missing_running_or_failed(
    train_small: Callable[[Path], Store], tmp_path: Path
) -> None:
    store = train_small(tmp_path / "out")
    first, second, third, _ = store.runs()
    first.begin(first.spec(), [first.id])
    second.fail("ValueError: no", "Traceback")
    for path in third.path.iterdir():
        path.unlink()
    rows = {row["run"]: row for row in read_results(store, "small").runs.to_dicts()}
    assert rows[first.id]["status"] == "missing"
    assert (rows[second.id]["status"], rows[second.id]["message"]) == ("failed", "ValueError: no")
    assert rows[third.id]["status"] == "missing"
    assert rows[third.id]["task"] == "digits"  # as of the other run at its point


def test_what_a_study_asks_is_known_before_any_run_is_begun(
    train_small: Callable[[Path], Store], tmp_path: Path
) -> None:
    store = train_small(tmp_path / "out")
    for run in store.runs():
        for path in run.path.iterdir():
            path.unlink()
    runs = read_results(store, "small").runs
    assert set(runs["status"]) == {"missing"}
    assert set(runs.select("task", "model", "optimizer").rows()) == {("digits", "mlp", "sgd")}
