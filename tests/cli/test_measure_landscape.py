"""thalweg measure --probe landscape, on a run that kept its path, one that did not, and a file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.cli.conftest import one_core

from thalweg import Study
from thalweg.execute import Progress
from thalweg.export.trained import load_trained
from thalweg.store import Store
from thalweg.study import build_study

Run = Callable[..., Any]

TOUR = {"name": "landscape", "directions": "trajectory", "points": 3, "path": 4}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("looked") / "out"
    with one_core():
        for name, probes in (("kept", [TOUR]), ("bare", [])):
            table = {
                "study": {"name": name, "seeds": 1},
                "task": {"name": "digits"},
                "model": {"name": "mlp", "widths": [12 if probes else 10]},
                "train": {"epochs": 2, "batch_size": 64},
                "optimizer": {"name": "sgd", "lr": 0.1},
                "arms": {"a": {"sparsity": {"name": "projection", "keep": 0.5}}},
                "probes": probes,
            }
            Study(build_study(table)).run(folder, jobs=1, progress=Progress(quiet=True))
    return folder


def test_a_run_that_kept_its_path(thalweg: Run, out: Path) -> None:
    options = ["--set", "directions=trajectory", "--set", "points=5", "--set", "path=4"]
    done = thalweg("measure", "kept/a/0", "--out", out, "--probe", "landscape", *options, "--json")
    assert done.status == 0, done.stderr
    found = json.loads(done.stdout)
    assert np.shape(found["loss"]) == (5, 5) and np.shape(found["path"]) == (4, 2)
    (entry,) = json.loads((out / "studies" / "kept" / "study.json").read_text())["runs"]
    run = Store(out).run(entry["run"])
    (file,) = (run.path / "probes").iterdir()
    stored = json.loads(file.read_text())
    for key in ("path", "path_steps", "explained"):
        assert np.array(found[key]) == pytest.approx(np.array(stored[key]))
    i, j = (steps.index(0) for steps in found["steps"])
    assert found["loss"][i][j] == run.status()["train_loss"]
    # In words there are no grids, but what there is besides.
    done = thalweg("measure", "kept/a/0", "--out", out, "--probe", "landscape", *options)
    assert done.status == 0, done.stderr
    assert "landscape: steps, loss, accuracy, path are printed with --json" in done.stdout
    assert "explained" in done.stdout and "path_steps" in done.stdout


def test_where_there_is_no_path_it_is_said(thalweg: Run, out: Path) -> None:
    run = next(r for r in Store(out).runs() if not list(r.path.glob("snapshot-*")))
    torch.save(load_trained(run, None).module.state_dict(), "weights.pt")
    network = ["--model", '{name="mlp", widths=[10]}', "--task", "digits"]
    for what, said in (
        (["weights.pt", *network], "path = 20: there are no weights along a training here"),
        (["bare/a/0"], f"path = 20: run {run.id} has not kept its weights at so many places"),
        (["kept/a/0"], "has not kept its weights at so many places"),
    ):
        command = ["--out", out, "--probe", "landscape", "--set", "directions=trajectory"]
        done = thalweg("measure", *what, *command)
        assert done.status == 2 and done.stdout == ""
        assert said in done.stderr and len(done.stderr.splitlines()) == 1
    done = thalweg("measure", "bare/a/0", "--out", out, "--probe", "landscape", "--set", "points=4")
    assert done.status == 2 and "points = 4: must be odd" in done.stderr
