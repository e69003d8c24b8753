"""thalweg connect, between runs and between anyone's files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.conftest import one_core
from torch.nn.functional import relu

from thalweg import Study
from thalweg.execute import Progress
from thalweg.export.trained import load_trained
from thalweg.measure.landscape import interpolate
from thalweg.measure.similarity import cka
from thalweg.measure.subject import Subject
from thalweg.models import build_model
from thalweg.store import Store
from thalweg.store.find import find_run
from thalweg.study import build_study

FILES = ["--model", '{name="mlp", widths=[12]}', "--task", "digits"]

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("connected") / "out"
    table = {
        "study": {"name": "pair", "seeds": 2},
        "task": {"name": "digits"},
        "model": {"name": "mlp", "widths": [12]},
        "train": {"epochs": 5, "batch_size": 64},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "arms": {
            "a": {},
            "smooth": {"model": {"name": "mlp", "widths": [12], "activation": "tanh"}},
            "other": {"task": {"name": "digits", "validation": 100}},
        },
    }
    with one_core():
        Study(build_study(table)).run(folder, jobs=1, progress=Progress(quiet=True))
    return folder


def test_between_two_runs(thalweg: Run, out: Path) -> None:
    done = thalweg(
        *("connect", "pair/a/0", "pair/a/1", "--align", "--curve", "--points", 7),
        *("--steps", 300, "--out", out, "--json"),
    )
    assert done.status == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {*("networks", "split", "examples", "seed", "line", "aligned", "curve")}
    runs = [load_trained(find_run(Store(out), f"pair/a/{seed}"), None) for seed in range(2)]
    assert found["examples"] == len(runs[0].task.test)
    subject = Subject.of([run.module for run in runs], runs[0].task, split="test")
    line = interpolate(subject, points=7)
    assert found["line"]["loss"] == pytest.approx(line.loss.tolist(), rel=1e-6)
    assert found["line"]["barrier"] == pytest.approx(line.barrier, rel=1e-6)
    for name in ("line", "aligned", "curve"):
        path = found[name]
        assert set(path) == {"places", "loss", "accuracy", "nonzero", "barrier"}
        assert len(path["places"]) == len(path["loss"]) == 7
        ends = [path["loss"][0], path["loss"][-1]]
        assert ends == pytest.approx(line.loss[[0, -1]].tolist(), rel=1e-5)
    assert found["line"]["barrier"] > 0.3
    assert found["aligned"]["barrier"] < found["line"]["barrier"]
    assert found["curve"]["barrier"] < found["line"]["barrier"] / 2


def test_how_alike_the_features_are(thalweg: Run, out: Path) -> None:
    done = thalweg("connect", "pair/a/0", "pair/a/1", "--cka", "--out", out, "--json")
    assert done.status == 0, done.stderr
    found = json.loads(done.stdout)
    runs = [load_trained(find_run(Store(out), f"pair/a/{seed}"), None) for seed in range(2)]
    x, _ = runs[0].task.test.batch(slice(0, found["examples"]))
    features = [(relu(run.module.layers[0](x.flatten(1))), run.module(x)) for run in runs]
    assert found["layer"] == ["relu 1", "output"]
    expected = cka(*features)
    assert found["cka"] == [pytest.approx(row, rel=1e-4) for row in expected.tolist()]
    assert 0.1 < expected.min() < expected.max() < 0.99

    itself = thalweg("connect", "pair/a/0", "pair/a/0", "--cka", "--points", 5, "--out", out)
    rows = [
        line.split() for line in itself.stdout.splitlines() if "CKA" in line or "output" in line
    ]
    assert rows[0] == ["CKA", "relu", "1", "output"]
    assert float(rows[1][-1]) == pytest.approx(1)


def test_a_run_and_itself_for_people(thalweg: Run, out: Path) -> None:
    done = thalweg("connect", "pair/a/0", "pair/a/0", "--points", 5, "--out", out)
    assert done.status == 0, done.stderr
    assert "loss, line" in done.stdout
    assert "accuracy, line" in done.stdout
    assert done.stdout.rstrip().endswith("barrier: line 0")


def test_anyone_s_files(thalweg: Run, out: Path, tmp_path: Path) -> None:
    for seed in range(2):
        run = load_trained(find_run(Store(out), f"pair/a/{seed}"), None)
        torch.save(run.module.state_dict(), f"{seed}.pt")
    options = ("--examples", 200, "--split", "train", "--seed", 3, "--json")
    of_files = thalweg("connect", "0.pt", "1.pt", *FILES, *options)
    assert of_files.status == 0, of_files.stderr
    found = json.loads(of_files.stdout)
    assert (found["examples"], found["split"], found["seed"]) == (200, "train", 3)
    of_runs = thalweg("connect", "pair/a/0", "pair/a/1", *options, "--out", out)
    assert found["line"] == json.loads(of_runs.stdout)["line"]


BAD = [
    (
        "pair/a/0 pair/smooth/0",
        "pair/smooth/0: its model is {'name': 'mlp', ",
    ),
    ("pair/a/0 pair/other/1", "pair/other/1: its task is "),
    ("pair/a/0 pair/b/0", "unknown run 'pair/b/0'"),
    ("pair/a/0 a.pt --model mlp --task digits", "--model mlp: must be left out for a run"),
    ("a.pt a.pt", "a.pt: a file of weights needs --model and --task"),
    ("pair/a/0 pair/a/1 --points 2", "points = 2: must be at least 3"),
    ("pair/a/0 pair/a/1 --steps -1 --curve", "steps = -1: must be at least 0"),
    ("pair/a/0 pair/a/1 --examples 9999", "examples = 9999: must be from 1 to the"),
    ("pair/a/0 pair/a/1 --examples 3 --cka", "examples = 3: must be at least 4 to compare layers"),
    ("pair/a/0 pair/a/1 --split all", "split = 'all': must be one of train,"),
]


@pytest.mark.parametrize(("command", "said"), BAD, ids=[command for command, _ in BAD])
def test_wrong_input_gets_a_sentence(thalweg: Run, out: Path, command: str, said: str) -> None:
    torch.save(build_model("mlp", {}, (64,), 10, 0, None).state_dict(), "a.pt")
    done = thalweg("connect", *command.split(), "--out", out)
    assert done.status == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
