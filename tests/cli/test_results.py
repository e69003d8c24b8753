"""What the commands print, for people and as JSON."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from thalweg.cli.catalogue import Kind
from thalweg.store import Store, place
from thalweg.store.mirror import Mirror

RUN_KEYS = [
    "id",
    "arm",
    "seed",
    "status",
    "hyperparameters",
    "train_loss",
    "test_loss",
    "test_accuracy",
    "epochs",
    "examples",
    "gradient_evaluations",
    "seconds",
]

USERS_MODULE = """
import torch
from torch import nn

print("imported")

class Chatty(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(64, 10))
        print("built")

    def forward(self, x):
        print("called")
        return super().forward(x)

class Broken(torch.optim.SGD):
    def step(self, closure=None):
        raise RuntimeError("the third bearing is loose")
"""

QUICK = ["--seeds", 2, "--jobs", 1]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study one of whose arms fails and one of whose arms diverges, by a user's chatty code."""
    (tmp_path / "chatty.py").write_text(USERS_MODULE)
    path = tmp_path / "study.toml"
    path.write_text("""
        [study]
        name = "mixed"
        seeds = 1
        [task]
        name = "digits"
        [model]
        name = "chatty:Chatty"
        [train]
        epochs = 1
        [arms.good]
        optimizer = { name = "sgd", lr = 0.1 }
        [arms.wild]
        model = "mlp"
        optimizer = { name = "sgd", lr = 1e30 }
        [arms.broken]
        optimizer = { name = "chatty:Broken", lr = 0.1 }
    """)
    return path


def test_train_prints_one_json_object(thalweg: Callable[..., Any], tmp_path: Path) -> None:
    done = thalweg("train", "mlp", "digits", "--lr", ".1", "--epochs", 1, *QUICK, "--json")
    assert done.status == 0, done
    found = json.loads(done.stdout)
    assert list(found) == [
        *("study", "out", "report", "runs", "sensitivity", "targets", "rounds", "verdicts")
    ]
    assert found["study"] == "train-mlp-digits-sgd"
    assert found["out"] == str(tmp_path / "thalweg-out")
    assert Path(found["report"]).read_text().startswith("<!")
    assert [list(run) for run in found["runs"]] == [RUN_KEYS, RUN_KEYS]
    for seed, run in enumerate(found["runs"]):
        assert (run["arm"], run["seed"], run["status"]) == ("sgd", seed, "done")
        assert run["hyperparameters"]["lr"] == 0.1
        assert 0 < run["test_accuracy"] <= 1
        assert run["train_loss"] > 0
        assert (run["epochs"], run["examples"], run["gradient_evaluations"]) == (1, 1150, 18)
        assert run["seconds"] > 0
        assert Store(tmp_path / "thalweg-out").run(run["id"]).is_complete()


def test_sweep_prints_one_json_object_with_null_for_what_diverged(
    thalweg: Callable[..., Any], tmp_path: Path
) -> None:
    done = thalweg(
        *("sweep", "mlp", "digits", "--lr", "1e-2..1e30:2", "--epochs", 1, *QUICK, "--json"),
        *("--out", "there", "--name", "wide"),
    )
    assert done.status == 0, done
    found = json.loads(done.stdout)
    assert (found["study"], found["out"]) == ("wide", str(tmp_path / "there"))
    assert [list(run) for run in found["runs"]] == [RUN_KEYS] * 4
    (curve,) = found["sensitivity"]
    assert (curve["hyperparameter"], curve["metric"]) == ("optimizer.lr", "validation_accuracy")
    assert [point["diverged"] for point in curve["points"]] == [0, 2]
    assert curve["points"][1]["mean"] is None and curve["at_edge"] == "low"
    assert "best learning rate 0.01" in found["verdicts"][0]
    assert [run["status"] for run in found["runs"]] == ["done"] * 2 + ["diverged"] * 2
    assert [run["hyperparameters"]["lr"] for run in found["runs"]] == [1e-2] * 2 + [1e30] * 2
    for run in found["runs"][2:]:
        assert run["train_loss"] is run["test_loss"] is run["test_accuracy"] is None
        assert run["seconds"] > 0


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_run_prints_one_json_object_whatever_a_user_s_code_prints_or_raises(
    script: Callable[..., subprocess.CompletedProcess[str]], study: Path, jobs: int
) -> None:
    for name in ("queue", "select", "numpy"):  # must not stand in for Python's and others' own
        (study.parent / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    done = script("run", "study.toml", "--trust", "--json", "--jobs", jobs, cwd=study.parent)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert {run["arm"]: run["status"] for run in found["runs"]} == {
        "good": "done",
        "wild": "diverged",
        "broken": "failed",
    }
    assert [list(run) for run in found["runs"]] == [RUN_KEYS] * 3
    for line in ("imported", "built", "called"):
        assert line in done.stderr
    reason = "optimizer Broken raised RuntimeError in its step: the third bearing is loose"
    assert done.stderr.splitlines()[-1] == f"thalweg: 1 run failed: {reason}"


def test_for_people_a_table_and_the_report_s_path(thalweg: Callable[..., Any]) -> None:
    command = ("sweep", "mlp", "digits", "--lr", "1e-2..1e30:2", "--epochs", 1, *QUICK)
    done = thalweg(*command)
    assert done.status == 0
    *_, good, bad, blank, verdict, edge, other, last = done.stdout.splitlines()
    assert ("lr=0.01" in good, "2 done" in good, "±" in good) == (True, True, True)
    assert ("lr=1e+30" in bad, "2 diverged" in bad, "±" in bad) == (True, True, False)
    assert "test_accuracy" in done.stdout
    folder = Path.cwd() / "thalweg-out" / "studies" / "sweep-mlp-digits-sgd"
    assert last == f"report: {folder}/report/index.html"
    assert (blank.strip(), other) == ("", "")
    assert "sgd: best learning rate 0.01 (mean validation accuracy" in verdict
    assert "Runs diverged at 1e+30; the largest without is 0.01." in verdict
    assert "its optimum is the lowest learning rate of the grid" in edge
    assert edge.endswith("Try --lr 1e-66..1e+30:4.")
    assert "[4/4 runs" in done.stderr

    again = thalweg(*command)
    assert again.stdout == done.stdout
    assert again.stderr == ""  # nothing was left to train


@pytest.mark.parametrize("kind", Kind)
def test_lists_have_names_and_summaries(thalweg: Callable[..., Any], kind: Kind) -> None:
    done = thalweg("list", kind.value, "--json")
    assert (done.status, done.stderr) == (0, "")
    rows = json.loads(done.stdout)
    assert rows
    assert all(row["name"] and row["summary"] for row in rows)
    shown = thalweg("list", kind.value)
    assert shown.status == 0
    assert all(row["name"] in shown.stdout for row in rows)


def test_doctor(thalweg: Callable[..., Any]) -> None:
    found = json.loads(thalweg("doctor", "--json").stdout)
    assert found["versions"]["thalweg"] == "0.1.0"
    assert found["device"] in ("cpu", "cuda")
    assert {row["model"] for row in found["backends"]} >= {"mlp", "lenet5", "rnn"}
    assert {row["name"] for row in found["data"]} >= {"mnist", "fashion-mnist"}
    shown = thalweg("doctor")
    assert (shown.status, shown.stderr) == (0, "")
    assert found["machine"]["processor"] in shown.stdout


def test_data_status(thalweg: Callable[..., Any]) -> None:
    rows = json.loads(thalweg("data", "status", "--json").stdout)
    assert {row["name"] for row in rows} >= {"mnist", "fashion-mnist"}
    assert all(isinstance(row["available"], bool) for row in rows)
    assert thalweg("data", "status").status == 0


def test_show(thalweg: Callable[..., Any], out: Path) -> None:
    rows = json.loads(thalweg("show", "--out", out, "--json").stdout)
    assert [(row["arm"], row["point"], row["runs"]) for row in rows] == [
        ("sgd", "lr=0.1", "2 done"),
        ("sgd", "lr=1e+30", "2 diverged"),
    ]
    assert json.loads(thalweg("show", "small", "--out", out, "--json").stdout) == rows
    assert "lr=1e+30" in thalweg("show", "--out", out).stdout


def test_show_of_several_studies_lists_them(thalweg: Callable[..., Any]) -> None:
    command = ("train", "mlp", "digits", "--lr", 0.1, "--epochs", 1, *QUICK)
    for name in ("one", "two"):
        assert thalweg(*command, "--name", name).status == 0
    rows = json.loads(thalweg("show", "--json").stdout)
    assert [(r["study"], r["runs"], r["complete"]) for r in rows] == [("one", 2, 2), ("two", 2, 2)]
    assert "two" in thalweg("show").stdout
    done = thalweg("report")
    assert (done.status, done.stdout) == (2, "")
    assert "holds 2 studies; name one (allowed: one, two)" in done.stderr


def test_query(thalweg: Callable[..., Any], out: Path) -> None:
    sql = "SELECT status, count(*) AS n, max(test_loss) AS loss FROM runs GROUP BY 1 ORDER BY 1"
    bad, good = json.loads(thalweg("query", sql, "--out", out, "--json").stdout)
    assert bad == {"status": "diverged", "n": 2, "loss": None}
    assert (good["status"], good["n"]) == ("done", 2)
    assert "diverged" in thalweg("query", sql, "--out", out).stdout


def test_report_writes_the_page_again(thalweg: Callable[..., Any]) -> None:
    command = ("train", "mlp", "digits", "--lr", 0.1, "--epochs", 1, *QUICK)
    page = Path(json.loads(thalweg(*command, "--json").stdout)["report"])
    page.unlink()
    found = json.loads(thalweg("report", "--json").stdout)
    assert found == {"study": "train-mlp-digits-sgd", "report": str(page)}
    assert page.exists()
    assert thalweg("report").stdout == f"report: {page}\n"


def test_report_for_a_repository(
    thalweg: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thalweg.report.markdown.FIGURES", 40_000)  # drawing takes long
    command = ("train", "mlp", "digits", "--lr", 0.1, "--epochs", 1, *QUICK)
    page = Path(json.loads(thalweg(*command, "--json").stdout)["report"])
    page.unlink()
    done = thalweg("report", "--to", "kept/study", "--json")
    assert done.status == 0, done
    readme = tmp_path / "kept" / "study" / "README.md"
    assert json.loads(done.stdout) == {"study": "train-mlp-digits-sgd", "report": str(readme)}
    assert str(tmp_path) not in readme.read_text() and not page.exists()
    # The study file beside it is that of the very runs.
    plan = json.loads(thalweg("run", readme.with_name("study.toml"), "--dry-run", "--json").stdout)
    assert (plan["runs"], plan["complete"]) == (2, 2)
    assert thalweg("report", "--to", "kept/study").stdout == f"report: {readme}\n"


def test_a_dry_run_plans_and_leaves_nothing(thalweg: Callable[..., Any], tmp_path: Path) -> None:
    command = ("train", "mlp", "digits", "--lr", 0.1, "--epochs", 40, "--batch-size", 16, *QUICK)
    done = thalweg(*command, "--dry-run", "--json")
    assert done.status == 0, done
    plan = json.loads(done.stdout)
    assert (plan["runs"], plan["complete"], plan["jobs"]) == (2, 0, 1)
    assert [(row["runs"], row["epochs"]) for row in plan["cohorts"]] == [(2, 40)]
    shown = thalweg(*command, "--dry-run")
    assert "2 runs, 0 of them complete; 2 to train, 80 epochs in all" in shown.stdout
    assert list(tmp_path.iterdir()) == []

    runs = json.loads(thalweg(*command, "--json").stdout)["runs"]
    truth = sum(run["seconds"] for run in runs)
    # Of the right order: others may have had the cores while one of the two was timed.
    assert truth / 10 < plan["estimated_seconds"] < truth * 10

    after = json.loads(thalweg(*command, "--dry-run", "--json").stdout)
    assert (after["complete"], after["cohorts"], after["estimated_seconds"]) == (2, [], 0)


def test_a_full_disk_is_a_sentence(thalweg: Callable[..., Any], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting needs root")
    try:
        command = ("train", "mlp", "digits", "--lr", 0.1, "--epochs", 1, *QUICK)
        done = thalweg(*command, "--out", disk / "out", "--json")
        assert (done.status, done.stdout) == (1, "")
        assert done.stderr.startswith(f"thalweg: cannot write {disk}/out/")
        assert done.stderr.endswith(": No space left on device\n")
        assert done.stderr.count("\n") == 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_ctrl_c_while_results_go_to_their_url_is_a_sentence(
    thalweg: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        def close(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(place._open, "s3://bucket/prefix", cast(Mirror, Slow()))
    done = thalweg("list", "recipes")
    assert done.status == 130
    assert done.stderr == (
        "thalweg: stopped while results were put to their URL; the next command with it puts the "
        "rest there\n"
    )
