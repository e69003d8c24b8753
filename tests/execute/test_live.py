"""Measurements of runs while they train: complete, harmless, and taken once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from thalweg import Results
from thalweg.errors import InputError
from thalweg.store import Store
from thalweg.store.files import read_json
from thalweg.store.query import query
from thalweg.study import build_study

Run = Callable[..., Results]
Write = Callable[..., Path]
Start = Callable[..., Any]

FULL = {"name": "dynamics", "preset": "full", "when": "every:7", "examples": 200}
EACH = {"name": "dynamics", "label": "each step", "preset": "cheap"}
GAP = {"name": "hessian", "label": "gap", "when": "last:3", "examples": 200}
ARMS = {
    "sgd": {"optimizer": {"name": "sgd", "lr": [0.1, 0.3], "momentum": 0.9}},
    "sam": {"optimizer": {"name": "sam", "lr": 0.1}, "train": {"clip_norm": 0.5}},
    "pruned": {"sparsity": {"name": "rigl", "keep": 0.3, "every": 5}},
    "averaged": {"train": {"average": {"name": "ema", "decay": 0.9}}},
    "lost": {"optimizer": {"name": "sgd", "lr": 1e30}},
}


def finals(out: Path) -> dict[str, bytes]:
    return {p.parent.name: p.read_bytes() for p in out.glob("runs/*/final.safetensors")}


def statuses(out: Path) -> dict[str, dict[str, Any]]:
    """Return what is known of the runs but for what the clock tells."""
    timed = ("seconds", "finished", "rows", "warnings", "files")
    found = {p.parent.name: read_json(p) for p in out.glob("runs/*/status.json")}
    return {run: {k: v for k, v in own.items() if k not in timed} for run, own in found.items()}


def test_to_be_watched_changes_nothing(write_study: Write, tmp_path: Path, run_here: Run) -> None:
    plain, watched = tmp_path / "plain", tmp_path / "watched"
    run_here(write_study("plain", arms=ARMS), plain)
    results = run_here(write_study("watched", arms=ARMS, probes=[FULL, EACH, GAP]), watched)
    assert not results.failed
    assert finals(plain) == finals(watched)
    assert statuses(plain) == statuses(watched)

    series = results.series()
    steps = {name: set(own["step"].drop_nulls()) for (name,), own in series.group_by("probe")}
    total = results.frame().filter(status="done")["steps"].max()
    assert isinstance(total, int)
    assert steps["dynamics"] == set(range(0, total, 7))
    assert steps["each step"] == set(range(total))
    assert steps["gap"] == {total - 3, total - 2, total - 1}
    done = results.frame().filter(status="done")["run"].to_list()
    assert set(series.filter(probe="gap", figure="converged")["run"]) == set(done)
    assert "clipped" in set(series.filter(arm="sam")["figure"])
    assert "clipped" not in set(series.filter(arm="sgd")["figure"])


def test_a_run_that_diverges_is_watched_until_it_does(
    write_study: Write, tmp_path: Path, run_here: Run
) -> None:
    arms = {"lost": ARMS["lost"], "kept": {}}
    results = run_here(write_study(arms=arms, probes=[EACH]), tmp_path / "out")
    for run in results.frame().filter(arm="lost").to_dicts():
        losses = results.series().filter(run=run["run"], figure="loss").sort("step")
        assert losses["step"].to_list() == list(range(run["diverged_step"] + 1))
        assert losses["value"].is_finite().to_list() == [True] * run["diverged_step"] + [False]


def test_what_is_asked_for_later_is_taken_of_a_second_training(
    write_study: Write, tmp_path: Path, run_here: Run
) -> None:
    out = tmp_path / "out"
    first = run_here(write_study(arms=ARMS, probes=[FULL]), out).series()
    kept = {p: p.stat().st_mtime_ns for p in out.glob("runs/*/*") if p.is_file()}
    looks = {p: p.stat().st_mtime_ns for p in out.glob("runs/*/probes/*")}
    both = run_here(write_study(arms=ARMS, probes=[FULL, EACH]), out).series()
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    assert {p: p.stat().st_mtime_ns for p in looks} == looks
    assert_frame_equal(both.filter(probe="dynamics"), first)
    assert set(both["probe"]) == {"dynamics", "each step"}
    # The same steps, seen both times.
    where = {"figure": "gradient_norm"}
    early = first.filter(**where).select("run", "step", "value")
    late = both.filter(**where, probe="each step").select("run", "step", "value")
    assert_frame_equal(
        early, early.select("run", "step").join(late, on=["run", "step"], how="left")
    )


def test_only_the_selected_runs_of_some_arms_are_watched(
    write_study: Write, tmp_path: Path, run_here: Run
) -> None:
    probes = [
        {**EACH, "runs": "selected"},
        {"name": "features", "runs": "selected", "jacobian": 0},
        {**GAP, "arms": ["s*"]},
    ]
    arms = {name: ARMS[name] for name in ("sgd", "sam", "averaged")}
    results = run_here(write_study(arms=arms, probes=probes), tmp_path / "out", jobs=2)
    series, measured = results.series(), results.probes()
    for probe, frame in (("each step", series), ("features", measured)):
        own = frame.filter(probe=probe)
        assert set(own["arm"]) == {"sgd", "sam", "averaged"}
        assert own.filter(arm="sgd")["point"].n_unique() == 1
    gap = series.filter(probe="gap")
    assert set(gap["arm"]) == {"sgd", "sam"}
    assert gap.filter(arm="sgd")["point"].n_unique() == 2


@pytest.mark.slow
def test_a_watched_study_that_is_killed_goes_on_to_the_bit(
    write_study: Write, tmp_path: Path, run_here: Run, start: Start
) -> None:
    sections: dict[str, Any] = {
        "train": {"epochs": 60, "batch_size": 32},
        "arms": {"sgd": {"optimizer": {"name": "sgd", "lr": [0.1, 0.3], "momentum": 0.9}}},
        "probes": [{**FULL, "when": "every:20"}, EACH],
    }
    study = write_study(**sections)
    whole = run_here(study, tmp_path / "whole").series()
    killed = tmp_path / "killed"
    driver = start(study, killed, 1)
    driver.wait_until(lambda: list(killed.glob("runs/*/checkpoint-*")))
    driver.kill_all()
    assert not list(killed.glob("runs/*/probes/*"))
    again = run_here(study, killed).series()
    untimed = pl.col("figure") != "seconds"
    assert_frame_equal(again.filter(untimed), whole.filter(untimed))


def test_the_report_and_sql_have_them(write_study: Write, tmp_path: Path, run_here: Run) -> None:
    study = write_study(arms=ARMS, probes=[FULL, GAP], study={"name": "study", "seeds": 2})
    results = run_here(study, tmp_path / "out")
    page = results.report().path.read_text()
    assert "While training" in page and "What looking cost" in page
    folder = results.store.study_folder("study")
    for name in ("edge", "alpha", "noise_scale", "gradient_norm"):
        assert list((folder / "figures").glob(f"dynamics-*-{name}.png")), name
    cost = pl.read_csv(folder / "tables" / "looking.csv").filter(arm="sgd", probe="dynamics")
    own = results.series().filter(arm="sgd", probe="dynamics")
    assert cost["looks"].item() == own.select("run", "step").drop_nulls().n_unique() / 2
    assert cost["gradient_evaluations"].item() > 2 * cost["looks"].item()
    table = pl.read_csv(folder / "tables" / "dynamics.csv")
    assert {"alpha", "eigenvalue 1", "exploding", "clipping"} <= set(table["figure"])
    sql = "SELECT count(*) AS looks FROM series WHERE figure = 'gap' AND study = 'study'"
    expected = results.series().filter(figure="gap").height
    assert query(Store(tmp_path / "out"), sql)["looks"].item() == expected


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        ({"name": "hessian", "when": "each:3"}, r'probes.hessian.when = .each:3.: must be "end"'),
        ({"name": "hessian", "when": 3}, r'probes.hessian.when = 3: must be "end"'),
        ({"name": "dynamics", "when": "end"}, "probes.dynamics.when = 'end': must be"),
        ({"name": "dynamics", "preset": "all"}, "probes.dynamics.preset = 'all': must be"),
        ({"name": "dynamics", "instruments": ["nois"]}, "did you mean 'noise'"),
        ({"name": "dynamics", "groups": 1}, "probes.dynamics.groups = 1: must be at least 2"),
        ({"name": "hessian", "runs": "best"}, "probes.hessian.runs = 'best': must be"),
        ({"name": "hessian", "arms": ["adam"]}, "probes.hessian.arms: 'adam' matches none of the"),
    ],
)
def test_wrong_requests_get_a_sentence(probe: dict[str, Any], said: str) -> None:
    table = {
        "study": {"name": "wrong"},
        "task": {"name": "digits"},
        "model": {"name": "mlp"},
        "optimizer": {"name": "sgd", "lr": 0.1},
        "train": {"epochs": 1},
        "probes": [probe],
    }
    with pytest.raises(InputError, match=said):
        build_study(table)
