"""What trackers leave, as runs; the files are made here, by the formats' own definitions."""

import json
import math
import random
import sqlite3
import struct
from pathlib import Path
from typing import Any

import pytest

from thalweg.errors import InputError
from thalweg.imports import Imported, import_files
from thalweg.imports.tracked import find_tracked, to_lineages
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.store.results import StudyResults


def imported(folder: Path, *what: Path, **options: Any) -> tuple[Imported, StudyResults]:
    found = import_files(what, "theirs", folder / "out", "thalweg import", **options)
    return found, read_results(Store(folder / "out"), "theirs")


# MLflow


def mlruns(folder: Path, run: str, status: int, params: dict[str, str], metrics: Any) -> Path:
    """Write a run as MLflow's file store does."""
    place = folder / "mlruns/1" / run
    (place / "metrics").mkdir(parents=True)
    (place / "meta.yaml").write_text(f"run_id: {run}\nrun_name: bold-{run}\nstatus: {status}\n")
    for name, value in params.items():
        (place / "params").mkdir(exist_ok=True)
        (place / "params" / name).write_text(value)
    for name, points in metrics.items():
        path = place / "metrics" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"1700000000000 {value} {step}\n" for step, value in points))
    return folder


def database(path: Path, metrics: str = "TABLE metrics") -> sqlite3.Connection:
    """Make the tables of MLflow's database that are read."""
    db = sqlite3.connect(path)
    db.executescript(
        """
        CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, lifecycle_stage TEXT);
        CREATE TABLE params (run_uuid TEXT, key TEXT, value TEXT);
        CREATE TABLE tags (run_uuid TEXT, key TEXT, value TEXT);
        """
    )
    columns = "(run_uuid TEXT, step INT, key TEXT, value REAL, is_nan BOOL, timestamp INT)"
    if metrics == "TABLE metrics":
        db.execute(f"CREATE {metrics} {columns}")
    else:
        db.execute(f"CREATE {metrics}")
    return db


def test_runs_of_a_folder_of_mlflow_are_a_grid_of_arms(tmp_path: Path) -> None:
    for i, (rate, seed) in enumerate([("0.1", "0"), ("0.1", "1"), ("0.3", "0")]):
        mlruns(
            tmp_path,
            f"r{i}",
            3,
            {
                "optimizer": "adam",
                "lr": rate,
                "seed": seed,
                "batch_size": "32",
                "dataset": "digits",
            },
            {
                "train/loss": [(1, 0.9), (2, 0.5 + i)],
                "val_acc": [(1, 70), (2, 80.5)],
                "gpu_memory": [(1, 3.0)],
            },
        )
    mlruns(tmp_path, "killed", 5, {"seed": "0"}, {"val_acc": [(1, 3)]})
    found, results = imported(tmp_path, tmp_path)
    assert results.runs.select("arm", "point", "seed", "status", "lr", "batch_size").rows() == [
        ("adam", "lr=0.1", 0, "done", 0.1, "32"),
        ("adam", "lr=0.1", 1, "done", 0.1, "32"),
        ("adam", "lr=0.3", 0, "done", 0.3, "32"),
    ]
    assert set(results.runs["task"]) == {"digits"}
    assert set(results.runs["validation_accuracy"]) == {0.805}
    assert results.metrics.select("epoch", "train_loss", "validation_accuracy").rows()[:2] == [
        (1, 0.9, 0.7),
        (2, 0.5, 0.805),
    ]
    assert list(found.notes) == [
        "1 runs that have not come to their end were left aside: 1/killed",
        "Figures that have no place here were left out: gpu_memory.",
    ]
    again, _ = imported(tmp_path, tmp_path / "mlruns")
    assert again.added == frozenset()


def test_a_database_of_mlflow_is_read_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with database(path) as db:
        db.executemany(
            "INSERT INTO runs VALUES (?, ?, ?, ?)",
            [("a", "one", "FINISHED", "active"), ("b", "gone", "FINISHED", "deleted")],
        )
        db.executemany(
            "INSERT INTO params VALUES ('a', ?, ?)",
            [("optimizer.name", "sgd"), ("optimizer.lr", "0.5"), ("model.widths", "[8]")],
        )
        db.execute("INSERT INTO params VALUES ('a', 'model.name', 'mlp')")
        db.executemany(
            "INSERT INTO metrics VALUES ('a', ?, ?, ?, ?, 0)",
            [(0, "test_loss", 2.0, 0), (1, "test_loss", 0, 1)],
        )
    db.close()
    before = path.read_bytes()
    found, results = imported(tmp_path, path, seed=3)
    assert path.read_bytes() == before
    assert results.runs.select("arm", "seed", "status", "model").rows() == [
        ("sgd", 3, "diverged", "mlp")
    ]
    assert results.metrics.select("epoch", "test_loss").rows() == [(0, 2.0), (1, None)]
    (lineage,) = found.lineages
    assert lineage.answer.spec.canonical()["model"]["widths"] == [8]


def test_a_table_of_search_runs_tells_the_last_figures(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(
        "run_id,status,metrics.test_accuracy,params.lr,params.seed,tags.mlflow.runName\n"
        "a,FINISHED,0.91,0.1,0,base\nb,FINISHED,0.93,0.1,1,base\nc,RUNNING,,0.1,2,base\n"
    )
    found, results = imported(tmp_path, path)
    assert results.runs.select("arm", "seed", "test_accuracy", "epochs").rows() == [
        ("base", 0, 0.91, None),
        ("base", 1, 0.93, None),
    ]
    assert len(found.notes) == 1


# W&B


def test_runs_that_wandb_exports_as_json_tell_their_history(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    history = [
        {"_step": 10 * e + s, "epoch": e, "eval/loss": 1.0 / (10 * e + s + 1), "note": "x"}
        for e in (1, 2)
        for s in (0, 5)
    ]
    runs = [
        {
            "name": "sweet-sweep-1",
            "state": "finished",
            "config": {
                "optimizer": {"value": {"name": "sgd", "lr": 0.1, "momentum": 0.9}},
                "seed": {"value": 4},
                "notes": {"value": "long"},
            },
            "summary": {"eval/loss": 0.5, "_runtime": 3},
            "history": history,
        }
    ]
    path.write_text(json.dumps(runs))
    found, results = imported(tmp_path, path)
    assert results.runs.select("arm", "seed", "lr", "hyperparameters").rows() == [
        ("sgd", 4, 0.1, '{"lr": 0.1, "momentum": 0.9}')
    ]
    assert results.metrics.select("epoch", "test_loss").rows() == [(1, 1 / 16), (2, 1 / 26)]
    assert found.notes == ("Parameters that have no place here were left out: notes.",)
    lines = tmp_path / "runs.jsonl"
    lines.write_text("\n".join(map(json.dumps, runs)))
    assert (
        imported(tmp_path / "lines", lines)[1]
        .metrics.drop("run")
        .equals(results.metrics.drop("run"))
    )


def test_the_table_of_runs_of_wandb_tells_figures_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "wandb.csv"
    path.write_text(
        '"Name","State","Created","lr","seed","val_accuracy","test loss"\n'
        '"a","finished","2026","0.1","0","0.5","1.5"\n"b","crashed","2026","0.1","1","",""\n'
    )
    found, results = imported(tmp_path, path, arm="base")
    assert results.runs.select("arm", "lr", "validation_accuracy", "test_loss").rows() == [
        ("base", 0.1, 0.5, 1.5)
    ]
    assert len(found.notes) == 1


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def message(number: int, *parts: bytes | str | int) -> bytes:
    """Return a field of Protocol Buffers."""
    if isinstance(parts[0], int):
        return varint(number << 3) + varint(parts[0])
    content = b"".join(p.encode() if isinstance(p, str) else p for p in parts if p != "")  # type: ignore[union-attr]
    return varint(number << 3 | 2) + varint(len(content)) + content


def item(number: int, key: str, value: Any) -> bytes:
    return message(number, message(2, key), message(16, json.dumps(value)))


def wandb_file(path: Path, *records: bytes, block: int = 32768) -> Path:
    """Write records as a log of LevelDB, in as many pieces as its blocks ask for."""
    data = b":W&B" + b"\xbe\xe1\x00"
    for record in records:
        first = True
        while first or record:
            left = block - len(data) % block
            if left < 7:
                data += b"\0" * left
                left = block
            piece, record = record[: left - 7], record[left - 7 :]
            kind = {(True, True): 1, (True, False): 2, (False, False): 3, (False, True): 4}
            data += struct.pack("<IHB", 0, len(piece), kind[first, not record]) + piece
            first = False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def offline(path: Path, seed: int, long: int = 0) -> Path:
    config = [item(1, "lr", 0.1), item(1, "seed", seed), item(1, "text", "x" * long)]
    rows = [
        message(2, item(1, "_step", e), item(1, "test_loss", 2.0**-e), item(1, "epoch", e))
        for e in range(3)
    ]
    run = message(17, message(1, path.stem), message(8, "named"), message(4, *config))
    return wandb_file(path, run, *rows, message(18, message(1, 0)))


@pytest.mark.parametrize("long", [0, 32700, 32768, 100_000])
def test_folders_of_offline_runs_of_wandb_are_read(tmp_path: Path, long: int) -> None:
    for seed in (0, 1):
        offline(tmp_path / f"wandb/offline-run-2-{seed}/run-{seed}.wandb", seed, long)
    _, results = imported(tmp_path, tmp_path)
    assert results.runs.select("arm", "seed", "test_loss", "epochs").rows() == [
        ("named", 0, 0.25, 2),
        ("named", 1, 0.25, 2),
    ]
    assert results.metrics["test_loss"].to_list() == [1.0, 0.5, 0.25] * 2


def test_a_file_that_is_torn_is_a_run_that_has_not_ended(tmp_path: Path) -> None:
    path = offline(tmp_path / "run-0.wandb", 0)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="no run has come to its end"):
        imported(tmp_path, path)


# What strangers may have made


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.wandb", b"junk", "is no readable file of W&B"),
        ("a.wandb", b":W&B\xbe\xe1\x00" + struct.pack("<IHB", 0, 2, 1) + b"\xff\xff", "readable"),
        ("mlflow.db", b"SQLite format 3\0" + b"\0" * 200, "cannot be read as what a tracker"),
        ("a.json", b"[" * 100_000, "cannot be read as what a tracker"),
        ("a.json", b'{"config": {}}', "must be a list of runs"),
        ("a.json", b"[]", "holds no run"),
        ("a.json", b'[{"config": {"seed": -1}}]', "seed = -1: must be a whole number"),
        ("a.json", b'[{"config": {"seed": 1e999}}]', "seed = inf: must be a whole number"),
        ("a.json", b'[{"config": {}}]', "tells no seed; give it with --seed"),
        (
            "a.json",
            b'[{"config": {"seed": 0}, "history": [{"_step": 1e30, "test_loss": 1}]}]',
            "must be from 0 to",
        ),
        ("a.json", b'[{"config": {"seed": 0}}, {"config": {"seed": 0}}]', "both claim to be"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        imported(tmp_path, path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_view_in_the_place_of_a_table_is_not_asked(tmp_path: Path) -> None:
    """It could count for ever."""
    forever = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c"
    database(tmp_path / "mlflow.db", f"VIEW metrics AS {forever}").close()
    with pytest.raises(InputError, match="is no database of MLflow"):
        imported(tmp_path, tmp_path / "mlflow.db")


def test_no_link_leads_out_of_a_folder_and_no_code_is_imported(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("2.5")
    mlruns(tmp_path, "r", 3, {"seed": "0", "model.name": "os:system"}, {"test_loss": [(1, 1.0)]})
    (tmp_path / "mlruns/1/r/params/lr").symlink_to(tmp_path / "secret")
    _, results = imported(tmp_path, tmp_path)
    assert results.runs.select("lr", "model", "test_loss").rows() == [(None, None, 1.0)]


def test_names_of_strangers_make_no_paths(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        json.dumps(
            [
                {
                    "name": "../../x\n\x1b[31m",
                    "config": {"seed": 0, "\x1b[2J": 1},
                    "summary": {"val_loss": 1, "\x1b[2J": 1},
                }
            ]
        )
    )
    found, results = imported(tmp_path, path)
    assert results.runs["arm"].to_list() == ["..-..-x-[31m"]
    assert found.notes == (
        "Figures that have no place here were left out: ?[2J.",
        "Parameters that have no place here were left out: ?[2J.",
    )


def test_a_divergence_that_only_the_summary_tells_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    history = [{"_step": 0, "val_loss": 1.0}, {"_step": 1, "val_loss": "NaN"}]
    runs = [
        {"name": "a", "config": {"seed": 0}, "summary": {"val_loss": "NaN"}, "history": history}
    ]
    path.write_text(json.dumps(runs))
    _, results = imported(tmp_path, path)
    assert results.runs["status"].to_list() == ["diverged"]
    assert not any(math.isnan(x) for x in results.metrics["validation_loss"].drop_nulls())


def test_a_trackers_files_and_others_are_imported_apart(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"config": {"seed": 0}}]')
    (tmp_path / "b_metrics.csv").write_text("epoch,test_loss\n1,0.5\n")
    with pytest.raises(InputError, match="csv: is no tracker's, as others are"):
        imported(tmp_path, tmp_path / "a.json", tmp_path / "b_metrics.csv")


@pytest.mark.parametrize("kind", ["wandb", "db", "json"])
def test_damaged_files_raise_nothing_but_the_documented_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "wandb":
        offline(path, 0)
    elif kind == "db":
        with database(path) as db:
            db.execute("INSERT INTO runs VALUES ('a', 'one', 'FINISHED', 'active')")
            db.execute("INSERT INTO params VALUES ('a', 'lr', '0.5')")
            db.execute("INSERT INTO metrics VALUES ('a', 1, 'test_loss', 0.5, 0, 1)")
        db.close()
    else:
        runs = [{"config": {"seed": 0, "lr": 0.1}, "history": [{"epoch": 1, "test_loss": 0.5}]}]
        path.write_text(json.dumps(runs))
    whole = path.read_bytes()
    draw = random.Random(0)
    read = 0
    for _ in range(200):
        data = bytearray(whole)
        for _ in range(draw.choice([1, 3, 10])):
            data[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.choice([len(data), draw.randrange(len(data))])])
        try:
            found = find_tracked([path])
            assert found is not None
            to_lineages(found, None, None, None, 0)
            read += 1
        except InputError:
            pass
    assert 0 < read < 200
