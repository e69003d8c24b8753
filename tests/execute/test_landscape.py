"""Landscapes of a study: looked at once of every run, with the paths that its trainings took."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import tomli_w
import torch
from safetensors.torch import load_file
from torch import Tensor

import thalweg
from thalweg import Results
from thalweg.data import load_task
from thalweg.errors import InputError
from thalweg.execute import Progress
from thalweg.execute.models import build_spec_model
from thalweg.report.write import write_report
from thalweg.spec import RunSpec
from thalweg.store import Store
from thalweg.store.assemble import read_results
from thalweg.study import load_study

Run = Callable[..., Results]
Write = Callable[..., Path]

PROBES = [
    {"name": "landscape", "points": 3, "classes": True},
    {"name": "landscape", "label": "tour", "directions": "trajectory", "points": 5, "path": 5},
]
ARMS = {
    "plain": {},
    "averaged": {"train": {"average": "ema"}},
    "pruned": {"sparsity": {"name": "imp", "target": 0.8, "rounds": 1, "rewind": "epoch:1"}},
}


def tables(**changes: Any) -> dict[str, Any]:
    return {
        "study": {"name": "study", "seeds": 1},
        "model": {"name": "mlp", "widths": [8]},
        "train": {"epochs": 2, "batch_size": 64},
        "arms": ARMS,
        "probes": PROBES,
        **changes,
    }


def specs_of(study: Path) -> dict[str, RunSpec]:
    return {point.arm: point.specs[0] for point in load_study(study).points}


def flat(state: dict[str, Tensor]) -> Tensor:
    return torch.cat([state[name].reshape(-1) for name in sorted(state)]).double()


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path]:
    """A study that has run, and its store."""
    folder = tmp_path_factory.mktemp("landscape")
    table = {
        "task": {"name": "digits"},
        "optimizer": {"name": "sgd", "lr": 0.1},
        **tables(),
    }
    study = folder / "study.toml"
    study.write_text(tomli_w.dumps(table))
    thalweg.load_study(study).run(folder / "out", 1, progress=Progress(quiet=True))
    return study, folder / "out"


def figures(out: Path, spec: RunSpec, label: str) -> dict[str, Any]:
    record = json.loads((out / "studies" / "study" / "study.json").read_text())
    found = Store(out).run(spec.id).figures(record["probes"][label])
    assert found is not None
    return found


@pytest.mark.parametrize("arm", ARMS)
def test_the_middle_of_every_grid_is_the_run_itself(finished: tuple[Path, Path], arm: str) -> None:
    study, out = finished
    spec = specs_of(study)[arm]
    status = Store(out).run(spec.id).status()
    for label in ("landscape", "tour"):
        found = figures(out, spec, label)
        i, j = (steps.index(0) for steps in found["steps"])
        assert found["loss"][i][j] == status["train_loss"]
        assert found["accuracy"][i][j] == status["train_accuracy"]
    classes = np.array(figures(out, spec, "landscape")["class_loss"])[:, 1, 1]
    counts = load_task("digits", {}).train.targets.bincount().numpy()
    assert (classes * counts).sum() / counts.sum() == pytest.approx(status["train_loss"], rel=1e-6)


@pytest.mark.parametrize("arm", ARMS)
def test_the_path_is_that_of_the_training(finished: tuple[Path, Path], arm: str) -> None:
    study, out = finished
    spec = specs_of(study)[arm]
    run = Store(out).run(spec.id)
    found = figures(out, spec, "tour")
    examples = len(load_task("digits", {}).train)
    steps = spec.train.steps_per_epoch(examples)
    first = steps if arm == "pruned" else 0  # a round begins where it is rewound to
    places = [int(each) for each in np.linspace(first, 2 * steps, 5)]
    assert found["path_steps"] == places
    path = [run.load_snapshot(f"weights:{step}")["weights"] for step in places[:-1]]
    path.append(load_file(run.path / "final.safetensors"))
    moved = torch.stack([flat(each) for each in path]) - flat(path[-1])
    if (masks := run.masks()) is not None:
        whole = {name: masks.get(name, torch.ones_like(w)).bool() for name, w in path[-1].items()}
        moved *= flat({name: mask.double() for name, mask in whole.items()})
        assert len(moved[0].nonzero()) < len(moved[0])
    _, sizes, vectors = np.linalg.svd(moved[:-1].numpy(), full_matrices=False)
    assert found["explained"] == pytest.approx(sizes[:2] ** 2 / (sizes**2).sum(), abs=1e-5)
    expected = np.abs(moved.numpy() @ vectors[:2].T)
    assert np.abs(np.array(found["path"])) == pytest.approx(expected, abs=1e-4)


def test_a_snapshot_is_the_run_at_that_step(
    finished: tuple[Path, Path], write_study: Write, tmp_path: Path, run_here: Run
) -> None:
    study, out = finished
    arms = {arm: ARMS[arm] for arm in ("plain", "averaged")}
    once = {"epochs": 1, "batch_size": 64}
    short = write_study("short", **tables(train=once, arms=arms, probes=[]))
    run_here(short, tmp_path / "out")
    steps = specs_of(study)["plain"].train.steps_per_epoch(len(load_task("digits", {}).train))
    for arm in arms:
        ended = load_file(
            Store(tmp_path / "out").run(specs_of(short)[arm].id).path / "final.safetensors"
        )
        run = Store(out).run(specs_of(study)[arm].id)
        kept = run.load_snapshot(f"weights:{steps}")["weights"]
        assert {
            name: bool(torch.equal(kept[name], ended[name])) for name in ended
        } == dict.fromkeys(ended, True)
        spec = specs_of(study)[arm]
        initial = build_spec_model(spec, load_task("digits", {})).state_dict()
        first = run.load_snapshot("weights:0")["weights"]
        assert all(torch.equal(first[name], initial[name]) for name in initial)
        assert set(run.load_snapshot("weights:0")) == {"weights"}


def test_a_path_that_is_asked_for_later(write_study: Write, tmp_path: Path, run_here: Run) -> None:
    out = tmp_path / "out"
    arms = {"plain": {}, "lost": {"optimizer": {"name": "sgd", "lr": 1e30}}}
    study = write_study(**tables(arms=arms, probes=[]))
    run_here(study, out)
    plain, lost = (Store(out).run(specs_of(study)[arm].id) for arm in arms)
    before = {path: path.read_bytes() for path in out.glob("runs/*/*") if path.suffix != ".parquet"}
    study = write_study(**tables(arms=arms))
    results = run_here(study, out)
    assert {path: path.read_bytes() for path in before} == before
    assert len(list(plain.path.glob("snapshot-weights-*"))) == 4
    assert not list(lost.path.glob("snapshot-*"))
    assert (
        results.probes().filter(probe="tour", figure="explained")["arm"].to_list() == ["plain"] * 2
    )
    kept = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*")}
    run_here(study, out)
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*")} == kept


@pytest.mark.slow
def test_they_are_in_the_report(finished: tuple[Path, Path]) -> None:
    _, out = finished
    results = read_results(Store(out), "study")
    folder = Store(out).study_folder("study")
    page = write_report(results, folder).read_text()
    assert "training&#39;s path" in page
    names = {path.stem for path in (folder / "figures").glob("*.png")}
    for arm in ARMS:
        for label in ("landscape", "tour"):
            assert f"landscape-digits-mlp-{label}-{arm}" in names
        assert f"class-landscape-digits-mlp-landscape-{arm}" in names
    assert {"surface-digits-mlp-landscape", "surface-digits-mlp-tour"} <= names
    shown = set(pl.read_csv(folder / "tables" / "measurements.csv")["figure"])
    assert {"explained 1", "explained 2"} <= shown
    assert not any("step" in figure for figure in shown)


@pytest.mark.parametrize(
    ("probe", "changes", "said"),
    [
        ({"when": "every:3"}, {}, "when = 'every:3': must be \"end\" for a landscape"),
        (
            {"directions": "trajectory"},
            {"train": {"epochs": 1, "batch_size": "full"}},
            "probes.landscape: path = 20: must be 0 for a run of one step",
        ),
        (
            {"classes": True},
            {"task": {"name": "sine"}, "arms": {"plain": {}}},
            "probes.landscape: classes = true: must be false for task 'sine'",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_found_out_before_training(
    probe: dict[str, Any],
    changes: dict[str, Any],
    said: str,
    write_study: Write,
    tmp_path: Path,
    run_here: Run,
) -> None:
    probes = [{"name": "landscape", **probe}]
    study = write_study(**tables(arms={"plain": {}}, probes=probes) | changes)
    with pytest.raises(InputError, match=said):
        run_here(study, tmp_path / "out")
    assert not list(tmp_path.glob("out/runs/*"))
