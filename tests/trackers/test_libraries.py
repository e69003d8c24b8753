"""What trackers hold, read back by their own libraries, against the store."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.trackers.conftest import TABLE, run_study

from thalweg import Results
from thalweg.imports import import_files
from thalweg.store import Store
from thalweg.trackers.destination import QUIET
from thalweg.trackers.runs import entries_of, outcome_of

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries' own


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)


def check(found: Mapping[str, Any], store: Store, close: Callable[[Any], Any]) -> None:
    """Check that what was read back is what the store holds."""
    assert set(found) == set(store.run_ids())
    for run_id, (entries, end) in found.items():
        directory = store.run(run_id)
        outcome = outcome_of(directory)
        assert outcome is not None
        assert list(entries) == [close(entry) for entry in entries_of(directory)]
        assert end == close({**outcome.figures, "status": outcome.status})


def exactly(value: Any) -> Any:
    return value


# MLflow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of MLflow in a process of its own, with a database and a folder for artifacts."""
    pytest.importorskip("mlflow", reason="needs the extra tracking (make test-integrations)")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"),
            *("--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder}/server.db"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        env={**os.environ, **QUIET},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    uri = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{uri}/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.5)
        yield uri
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def mlflow_runs(uri: str, study: str = "tracked") -> Any:
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    found: dict[str, Any] = {}
    for run in client.search_runs([experiment.experiment_id], max_results=500):
        rows: dict[int, dict[str, float]] = {}
        names = [name for name in run.data.metrics if not name.startswith("final/")]
        for name in names:
            for point in client.get_metric_history(run.info.run_id, name):
                assert name not in rows.setdefault(point.step, {})
                rows[point.step][name] = point.value
        end = {
            name.removeprefix("final/"): value
            for name, value in run.data.metrics.items()
            if name.startswith("final/")
        }
        run_id = run.data.tags["thalweg.run"]
        assert run_id not in found
        assert run.data.params["optimizer.name"] in ("sgd", "adam")
        assert run.info.status == "FINISHED"
        status = {"status": run.data.tags["thalweg.status"]}
        found[run_id] = ([rows[epoch] for epoch in sorted(rows)], {**end, **status})
    return found


def test_a_server_of_mlflow_holds_what_the_store_holds(server: str, tmp_path: Path) -> None:
    results = run_study(tmp_path / "out", track=f"mlflow:{server}")
    found = mlflow_runs(server)
    check(found, results.store, exactly)
    assert results.track("mlflow", server) == {}
    check(mlflow_runs(server), results.store, exactly)


def test_mlflow_in_a_folder_is_what_an_export_makes(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    added = results.track("mlflow", tmp_path / "folder")
    assert sorted(added) == sorted(results.store.run_ids())
    uri = f"sqlite:///{tmp_path}/folder/mlflow.db"
    check(mlflow_runs(uri), results.store, exactly)
    assert results.track("mlflow", tmp_path / "folder") == {}


def test_a_server_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    table = {**TABLE, "arms": {"sgd": {"optimizer": {"name": "sgd", "lr": 0.1}}}}
    with pytest.warns(UserWarning, match="--track mlflow:http://127.0.0.1:9: cannot be had"):
        results = run_study(tmp_path / "out", table, track="mlflow:http://127.0.0.1:9")
    assert results.failed == {}


# TensorBoard


def tensorboard_runs(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    found: dict[str, Any] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_dir()):
        events = EventAccumulator(str(path), size_guidance={"scalars": 0})
        events.Reload()
        rows: dict[int, dict[str, float]] = {}
        end: dict[str, Any] = {}
        for tag in events.Tags()["scalars"]:
            for scalar in events.Scalars(tag):
                if tag.startswith("final/"):
                    assert tag not in end
                    end[tag.removeprefix("final/")] = scalar.value
                else:
                    assert tag not in rows.setdefault(scalar.step, {})
                    rows[scalar.step][tag] = scalar.value
        started = metadata.parse_session_start_info_plugin_data(
            events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        )
        run_id = started.hparams["run"].string_value
        assert started.hparams["optimizer.lr"].number_value > 0
        metadata.parse_session_end_info_plugin_data(
            events.SummaryMetadata(metadata.SESSION_END_INFO_TAG).plugin_data.content
        )
        assert run_id not in found
        found[run_id] = ([rows[epoch] for epoch in sorted(rows)], end)
    return found


def in_single_precision(figures: Mapping[str, Any]) -> Mapping[str, Any]:
    from numpy import float32

    return {key: float(float32(value)) for key, value in figures.items() if key != "status"}


def test_event_files_hold_what_the_store_holds(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    results = run_study(tmp_path / "out", track=f"tensorboard:{tmp_path}/logs")
    folder = tmp_path / "logs/tracked"
    check(tensorboard_runs(folder), results.store, in_single_precision)
    assert results.track("tensorboard", tmp_path / "logs") == {}
    check(tensorboard_runs(folder), results.store, in_single_precision)
    assert len(results.track("tensorboard", tmp_path / "other")) == 10
    check(tensorboard_runs(tmp_path / "other/tracked"), results.store, in_single_precision)


def test_what_a_killed_command_has_torn_is_written_on(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    results.track("tensorboard", tmp_path / "logs")
    for path in (tmp_path / "logs/tracked").glob("*/events*"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(results.track("tensorboard", tmp_path / "logs")) == 10
    found = tensorboard_runs(tmp_path / "logs/tracked")
    for entries, _ in found.values():
        epochs = [entry["epoch"] for entry in entries]
        assert epochs == list(range(len(epochs)))
    ends = {run: end for run, (_, end) in found.items()}
    for run_id in results.store.run_ids():
        outcome = outcome_of(results.store.run(run_id))
        assert outcome is not None
        assert ends[run_id] == in_single_precision(outcome.figures)


# W&B


def wandb_runs(folder: Path) -> Any:
    """Read W&B's files with the library's own messages, their log by its definition."""
    from wandb.proto.wandb_internal_pb2 import Record

    from thalweg.trackers.wandb_files import _records

    found: dict[str, Any] = {}
    for path in sorted((folder / "wandb").glob("offline-run-*/*.wandb")):
        rows: list[dict[str, Any]] = []
        end: dict[str, Any] = {}
        config: dict[str, Any] = {}
        code = None
        for data in _records(path.read_bytes(), path):
            record = Record.FromString(data)
            for item in record.run.config.update:
                config[item.key] = json.loads(item.value_json)
            if record.HasField("history"):
                items = record.history.item
                row = {"/".join([i.key, *i.nested_key]).strip("/"): i.value_json for i in items}
                rows.append({k: json.loads(v) for k, v in row.items() if not k.startswith("_")})
            for item in record.summary.update:
                key = item.key or "/".join(item.nested_key)
                if key.startswith("final/") or key == "status":
                    end[key.removeprefix("final/")] = json.loads(item.value_json)
            if record.HasField("exit"):
                code = record.exit.exit_code
        assert code == 0
        assert config["optimizer"]["name"] in ("sgd", "adam")
        run_id = config["thalweg"]["run"]
        assert run_id not in found
        found[run_id] = (rows, end)
    return found


def test_offline_runs_of_wandb_hold_what_the_store_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "live"))
    results = run_study(tmp_path / "out", track="wandb:project")
    check(wandb_runs(tmp_path / "live"), results.store, exactly)
    assert results.track("wandb", tmp_path / "live") == {}
    assert len(results.track("wandb:project", tmp_path / "after")) == 10
    check(wandb_runs(tmp_path / "after"), results.store, exactly)
    assert results.track("wandb", tmp_path / "after") == {}


# trackio


def test_a_project_of_trackio_holds_what_the_store_holds(tmp_path: Path) -> None:
    """In a process of its own: trackio keeps to the folder it was imported with."""
    pytest.importorskip("trackio")
    done = subprocess.run(
        [sys.executable, "-c", TRACKIO, str(tmp_path), str(Path.cwd()), json.dumps(TABLE)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio")},
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout.splitlines()[-1])
    check(read, Store(tmp_path / "out"), exactly)


TRACKIO = """
import json, sys
from pathlib import Path
from tests.trackers.conftest import run_study
folder = Path(sys.argv[1])
results = run_study(folder / "out", json.loads(sys.argv[3]), track="trackio:project")
assert results.track("trackio:project", folder / "trackio") == {}
assert len(results.track("trackio", folder / "trackio")) == 10
import trackio
from trackio.sqlite_storage import SQLiteStorage
found = {}
for record in SQLiteStorage.get_run_records("project"):
    config = SQLiteStorage.get_run_config("project", run_id=record["id"])
    rows, end = [], {}
    for log in SQLiteStorage.get_logs("project", run_id=record["id"]):
        if "status" in log:
            figures = {k.removeprefix("final/"): v for k, v in log.items() if "final/" in k}
            end = {**figures, "status": log["status"]}
        else:
            names = ("step", "timestamp")
            rows.append({k: v for k, v in log.items() if k not in names})
            rows[-1]["step"] = rows[-1].pop("steps")
            assert log["step"] == log["epoch"]
    assert config["optimizer.name"] in ("sgd", "adam"), config
    found[config["thalweg.run"]] = (rows, end)
print(json.dumps(found))
"""


# And back


@pytest.mark.parametrize("kind", ["mlflow", "wandb"])
def test_what_was_exported_is_imported_with_equal_figures(
    results: Results, kind: str, tmp_path: Path
) -> None:
    pytest.importorskip(kind)
    results.track(kind, tmp_path / kind)
    found = import_files([tmp_path / kind], "back", tmp_path / "back", "")
    assert found.notes == ()
    assert found.aside == ()
    back = Results("back", Store(tmp_path / "back"), {})
    place = ["arm", "point", "seed"]
    # A run gets an id of its own; these are its machine's, and what nothing can train again.
    for name, aside in (("frame", ["run", "rows"]), ("rounds", ["run", "layers"])):
        frames = [getattr(each, name)().drop(aside) for each in (results, back)]
        if name == "frame":  # their order is no trackers' business
            key = pl.col("hyperparameters")
            frames = [f.with_columns(key.map_elements(in_order, pl.String)) for f in frames]
        by = [*place, "round"] if name == "rounds" else place
        assert_frame_equal(*(frame.sort(by) for frame in frames), check_exact=True)
        assert len(frames[0]) == (8 if name == "frame" else 6)
    frames = [
        each.metrics().join(each.frame().select("run", *place), on="run").drop("run")
        for each in (results, back)
    ]
    assert_frame_equal(*(frame.sort(*place, "epoch") for frame in frames), check_exact=True)
    again = import_files([tmp_path / kind], "back", tmp_path / "back", "")
    assert again.added == frozenset()


def in_order(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


# Nothing leaves the machine


def test_no_tracker_speaks_to_another_machine(tmp_path: Path) -> None:
    kinds = ["mlflow", "tensorboard", "wandb", "trackio"]
    for kind in kinds:
        pytest.importorskip(kind)
    done = subprocess.run(
        [sys.executable, "-c", SILENT, str(tmp_path), json.dumps(TABLE), *kinds],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio"), "WANDB_DIR": str(tmp_path)},
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


SILENT = """
import json, sys, threading, time
from pathlib import Path
asked = []
def hook(event, values):
    if event == "socket.connect" and isinstance(values[1], tuple):
        if values[1][0] not in ("127.0.0.1", "::1", "localhost"):
            asked.append(str(values[1]))
    if event == "socket.getaddrinfo" and values[0] not in ("127.0.0.1", "::1", "localhost"):
        asked.append(str(values[0]))
sys.addaudithook(hook)
import psutil
def look():  # at processes that a library starts
    own = psutil.Process()
    while True:
        for child in own.children(recursive=True):
            try:
                found = child.net_connections(kind="inet")
            except psutil.Error:
                continue
            asked.extend(str(c.raddr) for c in found if c.raddr and c.raddr.ip != "127.0.0.1")
        time.sleep(0.2)
threading.Thread(target=look, daemon=True).start()
from tests.trackers.conftest import run_study
folder, table = Path(sys.argv[1]), json.loads(sys.argv[2])
table["arms"] = {"sgd": table["arms"]["sgd"]}
places = {"mlflow": f":{folder}/mlflow", "tensorboard": f":{folder}/logs"}
results = run_study(folder / "out", table, track=[k + places.get(k, "") for k in sys.argv[3:]])
assert len(results.frame()) == 4
print(json.dumps(asked))
"""
