"""Probes of a study: measured once of every run that is done, and shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors.torch import load_file

from thalweg import Results, measure
from thalweg.data import load_task
from thalweg.errors import InputError
from thalweg.models import build_model
from thalweg.store import Store
from thalweg.store.query import query
from thalweg.study import build_study, load_study

Run = Callable[..., Results]
Write = Callable[..., Path]

PROBES = [
    {"name": "hessian", "top": 3},
    {"name": "hessian", "label": "first layer", "parameters": ["layers.0.*"], "top": 1},
    {"name": "trace", "examples": 200, "products": 12},
    {"name": "sharpness", "split": "test", "draws": 2, "steps": 2},
    {"name": "line", "points": 5, "split": "test"},
    {"name": "line", "label": "along the top", "direction": "eigenvector", "points": 3},
]
ARMS = {
    "wide": {"model": {"name": "mlp", "widths": [12]}},
    "pruned": {"sparsity": {"name": "projection", "keep": 0.3}},
    "lost": {"optimizer": {"name": "sgd", "lr": 1e30}},
}


@pytest.fixture
def study(write_study: Write) -> Path:
    return write_study(
        study={"name": "study", "seeds": 2},
        model={"name": "mlp", "widths": [8]},
        train={"epochs": 1, "batch_size": 64},
        arms={"plain": {}, **ARMS},
        probes=PROBES,
    )


def values(frame: pl.DataFrame, **where: Any) -> list[float]:
    found: list[float] = frame.filter(**where)["value"].to_list()
    return found


def test_every_run_that_is_done_is_measured_once(
    study: Path, tmp_path: Path, run_here: Run
) -> None:
    out = tmp_path / "out"
    frame = run_here(study, out).probes()
    assert set(frame["arm"]) == {"plain", "wide", "pruned"}
    assert set(frame["probe"]) == {each.get("label", each["name"]) for each in PROBES}
    by_hand = load_study(study).points[0].specs[1]
    module = build_model("mlp", {"widths": [8]}, (64,), 10, 0, None)
    module.load_state_dict(load_file(Store(out).run(by_hand.id).path / "final.safetensors"))
    task = load_task("digits", {})
    expected = measure.hessian(module.eval(), task).top(3).values[0].tolist()
    own = {"arm": "plain", "seed": 1, "probe": "hessian", "figure": "eigenvalues"}
    assert values(frame, **own) == pytest.approx(expected, rel=1e-2)
    layer = values(frame, **{**own, "probe": "first layer"})
    assert layer[0] < expected[0]
    assert values(frame, arm="plain", seed=0, probe="trace", figure="examples") == [200]
    assert len(values(frame, arm="wide", seed=0, probe="sharpness")) == 13

    line = values(frame, arm="plain", seed=0, probe="line", figure="step")
    assert line == [-1, -0.5, 0, 0.5, 1]
    middle = values(frame, arm="plain", seed=0, probe="line", figure="loss", index=2)
    runs = Store(out).run(load_study(study).points[0].specs[0].id).status()
    assert middle == pytest.approx([runs["test_loss"]], rel=1e-5)

    files = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/probes/*")}
    assert len(files) == 6 * len(PROBES)
    run_here(study, out)
    assert files == {path: path.stat().st_mtime_ns for path in out.glob("runs/*/probes/*")}
    counted = query(Store(out), "SELECT count(DISTINCT run) AS runs FROM probes")
    assert counted["runs"].to_list() == [6]


def test_a_probe_that_is_added_later_trains_nothing(
    write_study: Write, study: Path, tmp_path: Path, run_here: Run
) -> None:
    out = tmp_path / "out"
    run_here(study, out)
    trained = {p: p.stat().st_mtime_ns for p in out.glob("runs/*/*.safetensors")}
    more = write_study(
        "more",
        study={"name": "study", "seeds": 2},
        model={"name": "mlp", "widths": [8]},
        train={"epochs": 1, "batch_size": 64},
        arms={"plain": {}, **ARMS},
        probes=[*PROBES, {"name": "trace", "label": "masked", "masked": True}],
    )
    frame = run_here(more, out).probes()
    assert {p: p.stat().st_mtime_ns for p in out.glob("runs/*/*.safetensors")} == trained
    assert len(frame.filter(probe="masked", figure="trace")) == 6


def test_they_are_in_the_report(study: Path, tmp_path: Path, run_here: Run) -> None:
    results = run_here(study, tmp_path / "out")
    page = results.report().path.read_text()
    assert "Measurements" in page
    table = pl.read_csv(results.store.study_folder("study") / "tables" / "measurements.csv")
    assert {"eigenvalue 1", "eigenvalue 3", "gap", "trace", "asam"} <= set(table["figure"])
    assert set(table["seeds"]) == {2}
    figures = results.store.study_folder("study") / "figures"
    assert list(figures.glob("measured-*.png"))
    assert len(list(figures.glob("line-*.png"))) == 2


def test_what_has_not_converged_is_flagged_and_not_shown(
    write_study: Write, tmp_path: Path, run_here: Run
) -> None:
    probes = [{"name": "hessian", "products": 3, "tolerance": 1e-6}]
    study = write_study(study={"name": "study", "seeds": 1}, probes=probes)
    results = run_here(study, tmp_path / "out")
    frame = results.probes()
    assert values(frame, figure="converged") == [0, 0]
    assert frame.filter(figure="gap")["value"].to_list() == [None]
    results.report()
    table = pl.read_csv(results.store.study_folder("study") / "tables" / "measurements.csv")
    assert "eigenvalue 1" not in set(table["figure"])


@pytest.mark.parametrize(
    ("probes", "said"),
    [
        ({"name": "hessian"}, r"must be tables, \[\[probes\]\]"),
        ([{"top": 3}], "must be a table with a name"),
        ([{"name": "trace", "label": 3}], "probes: label = 3: must be a string"),
        ([{"name": "hesian"}], "did you mean 'hessian'"),
        ([{"name": "hessian", "topp": 3}], "probes.hessian: unknown key 'topp'"),
        ([{"name": "hessian", "top": 0}], "probes.hessian.top = 0: must be at least 1"),
        ([{"name": "hessian", "examples": 0}], "probes.hessian.examples = 0: must be at least 1"),
        ([{"name": "line", "direction": "up"}], "probes.line.direction = 'up': must be"),
        ([{"name": "line", "points": 4}], "probes.line.points = 4: must be odd"),
        ([{"name": "trace"}, {"name": "trace"}], "two are called 'trace'; give one a label"),
    ],
)
def test_wrong_probes_get_a_sentence(probes: Any, said: str) -> None:
    table = {
        "study": {"name": "wrong"},
        "task": {"name": "digits"},
        "model": {"name": "mlp"},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "train": {"epochs": 1},
        "probes": probes,
    }
    with pytest.raises(InputError, match=said):
        build_study(table)


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        ({"split": "valid"}, "probes.hessian: split = 'valid': must be one of"),
        ({"examples": 10**6}, "probes.hessian: examples = 1000000: must be from 1 to"),
        ({"parameters": ["fc*"]}, "probes.hessian: parameters: 'fc.' matches none"),
    ],
)
def test_what_cannot_be_measured_is_found_out_before_training(
    probe: dict[str, Any], said: str, write_study: Write, tmp_path: Path, run_here: Run
) -> None:
    study = write_study(study={"name": "study", "seeds": 1}, probes=[{"name": "hessian", **probe}])
    with pytest.raises(InputError, match=said):
        run_here(study, tmp_path / "out")
    assert not list(tmp_path.glob("out/runs/*"))
