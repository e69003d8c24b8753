"""A user's own criterion and own probe: used, checked, and part of what names their figures."""

import json
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import thalweg as tw
from thalweg import registry
from thalweg.errors import InputError, ThalwegError, TrustError
from thalweg.measure import measure
from thalweg.measure.requests import parse_requests
from thalweg.sparsity import density, load_masks
from thalweg.spec import RunSpec
from thalweg.store import Store

MODULE = '''
import torch


def smallest(model, names, context, power: float = 1.0):
    """The smaller the sooner kept."""
    model.zero_grad()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_() if power == 3 else weight.abs_()
    assert context.batches
    return {name: -model.get_parameter(name).abs() ** power for name in names}


def outputs(model, inputs, targets, scale: float = 1.0):
    """Mean output, and of each class."""
    out = model(inputs) * scale
    torch.nn.functional.cross_entropy(out, targets).backward()
    return {"mean": out.mean(), "classes": list(out.mean(0)), "examples_seen": len(inputs)}


def draws(model, inputs, targets):
    return {"drawn": torch.rand(()).item()}


def fails(model, inputs, targets):
    raise KeyError("no such thing")


def words(model, inputs, targets):
    return {"mean": "much"}


def bad_scores(model, names, context):
    return {name: torch.zeros(3) for name in names}


def variable(model, inputs, targets, **options):
    return {}


def short(model):
    return {}


class Thing:
    pass
'''

STUDY = """
[study]
name = "own"
seeds = 2
[task]
name = "digits"
[model]
name = "mlp"
widths = [16]
[optimizer]
name = "sgd"
lr = 0.3
[train]
epochs = 2
[arms.dense]
[arms.rounds]
sparsity = { name = "imp", keep = [0.6, 0.3], criterion = { name = "own_functions:smallest" } }
[arms.once]
sparsity = { name = "one_shot", keep = 0.3, criterion = "own_functions:smallest" }
[[probes]]
name = "own_functions:outputs"
scale = 2
split = "test"
examples = 100
[[probes]]
name = "own_functions:outputs"
label = "as it trains"
when = "every:20"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_trusted", set())
    Path("own_functions.py").write_text(MODULE)
    Path("own.toml").write_text(STUDY)
    yield tmp_path
    sys.modules.pop("own_functions", None)
    sys.path[:] = [each for each in sys.path if each != str(tmp_path)]


def spec(**sparsity: Any) -> RunSpec:
    with tw.trusting():
        return RunSpec.parse(
            {
                "task": "digits",
                "model": "mlp",
                "optimizer": {"name": "sgd", "lr": 0.1},
                "train": {"epochs": 2},
                "sparsity": sparsity,
            }
        )


def test_a_study_prunes_and_measures_by_functions_of_ones_own(folder):
    results = tw.load_study("own.toml", trust=True).run(out="out", jobs=1)
    frame = results.frame()
    assert set(frame["status"]) == {"done"}

    # The masks are those of the smallest weights of the network that was pruned.
    store = Store(Path("out"))
    for run in frame.filter(pl.col("arm") == "rounds")["run"]:
        masks, weights = load_masks(store.run(run).masks_path), store.run(run).weights()
        assert density(masks) == pytest.approx(0.3, abs=0.001)
        with tw.trusting():
            parent = RunSpec.parse(store.run(run).spec()).parent
        before = store.run(parent.id)
        kept_before, trained = load_masks(before.masks_path), before.weights()
        dropped = torch.cat([trained[n].abs()[kept_before[n] & ~masks[n]] for n in masks])
        kept = torch.cat([trained[n].abs()[masks[n]] for n in masks])
        assert len(dropped) > 100 and kept.max() <= dropped.min()
        assert all(bool((weights[name][~mask] == 0).all()) for name, mask in masks.items())

    # The figures are those of the network itself, on the sample.
    probes = results.probes().filter(pl.col("probe") == "own_functions:outputs")
    run = frame.filter(pl.col("arm") == "dense")["run"][0]
    found = probes.filter(pl.col("run") == run)
    figures = {(row["figure"], row["index"]): row["value"] for row in found.to_dicts()}
    assert figures["examples_seen", None] == figures["examples", None] == 100
    assert len([key for key in figures if key[0] == "classes"]) == 10
    mean = sum(figures["classes", k] for k in range(10)) / 10
    assert figures["mean", None] == pytest.approx(mean, rel=1e-4)
    assert mean != 0
    series = results.series().filter(pl.col("probe") == "as it trains")
    assert set(series["figure"]) >= {"mean", "classes"}
    assert series.filter(pl.col("figure") == "mean")["value"].is_finite().all()

    # All of it is there already.
    before = {path: path.stat().st_mtime_ns for path in Path("out/runs").rglob("*")}
    tw.load_study("own.toml", trust=True).run(out="out", jobs=1)
    assert {path: path.stat().st_mtime_ns for path in Path("out/runs").rglob("*")} == before
    assert all(":" not in path.name for path in before)


def test_the_source_of_both_is_part_of_the_identity(folder):
    def ids():
        sys.modules.pop("own_functions", None)
        with tw.trusting():
            (request,) = parse_requests([{"name": "own_functions:outputs"}])
        rounds = spec(name="imp", keep=[0.5, 0.3], criterion="own_functions:smallest")
        assert rounds.parent.sparsity.code == rounds.sparsity.code != ""
        again = spec(**rounds.canonical()["sparsity"])
        assert again.id == rounds.id
        once = spec(name="one_shot", keep=0.5, criterion={"name": "own_functions:smallest"})
        return request.file, rounds.id, rounds.parent.id, once.id

    first, same = ids(), ids()
    Path("own_functions.py").write_text(MODULE + "\n# edited\n")
    edited = ids()
    assert first == same
    assert not set(first) & set(edited)
    known = spec(name="imp", keep=[0.5], criterion="magnitude")
    assert "code" not in known.canonical()["sparsity"]


def test_ones_own_criterion_prunes_a_module(folder):
    model = torch.nn.Sequential(torch.nn.Linear(20, 10), torch.nn.Tanh(), torch.nn.Linear(10, 2))
    data = torch.randn(8, 20), torch.zeros(8, dtype=torch.int64)
    before = {name: w.clone() for name, w in model.state_dict().items()}
    with tw.trusting(False), pytest.raises(TrustError, match="own_functions"):
        tw.sparsity.prune(model, 0.5, "own_functions:smallest", data=data)
    with tw.trusting():
        criterion = {"name": "own_functions:smallest", "power": 3}
        masks = tw.sparsity.prune(model, 0.5, criterion, data=data)
    kept = torch.cat([before[name][mask].abs() for name, mask in masks.items()])
    assert len(kept) == 110
    for name, mask in masks.items():  # the function got a copy, which it may spoil
        assert torch.equal(model.get_parameter(name), before[name] * mask)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": "fails", "top": 2}, "own_functions:fails\": unknown key 'top'"),
        ({"name": "outputs", "scale": "x"}, "scale = 'x': must be a number"),
        ({"name": "nothing"}, "unknown name 'nothing'"),
        ({"name": "variable"}, r"not '\*\*options'"),
        ({"name": "short"}, r"must be a function of \(model, inputs, targets, and its options\)"),
        ({"name": "Thing"}, "and its options\\), not a class"),
    ],
)
def test_a_wrong_probe_of_ones_own_is_told(folder, table, message):
    with tw.trusting(), pytest.raises(InputError, match=message):
        parse_requests([{**table, "name": f"own_functions:{table['name']}"}])


@pytest.mark.parametrize(
    ("criterion", "message"),
    [
        ({"name": "own_functions:smallest", "power": "x"}, "power = 'x': must be a number"),
        ({"name": "own_functions:smallest", "pow": 1}, "did you mean 'power'"),
        ("own_functions:Thing", r"criterion 'own_functions:Thing': must be a function of \(model"),
        ("own_functions:short", r"must be a function of \(model, names, context, and its"),
    ],
)
def test_a_wrong_criterion_of_ones_own_is_told(folder, criterion, message):
    with pytest.raises(InputError, match=message):
        spec(name="imp", keep=[0.5], criterion=criterion)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fails", "probe 'own_functions:fails': raised KeyError: 'no such thing'"),
        ("words", r"must return \{name: number, or list of numbers\}, not 'mean': 'much'"),
    ],
)
def test_what_a_probe_of_ones_own_does_wrong_is_told(folder, name, message):
    with tw.trusting(), pytest.raises(ThalwegError, match=message) as raised:
        measure(curvature(), [f"own_functions:{name}"], {})
    assert not isinstance(raised.value, InputError)


def test_a_criterion_of_ones_own_that_returns_something_else_is_told(folder):
    model = torch.nn.Linear(20, 10)
    with tw.trusting(), pytest.raises(ThalwegError, match=r"tensor of shape \(10, 20\)"):
        tw.sparsity.prune(model, 0.5, "own_functions:bad_scores")


def test_a_probe_that_draws_leaves_the_generator_and_repeats_itself(folder):
    with tw.trusting():
        state = torch.get_rng_state()
        first, second = (measure(curvature(), ["own_functions:draws"], {}) for _ in range(2))
    assert first == second
    assert torch.equal(torch.get_rng_state(), state)


def test_the_command_takes_both(folder, thalweg_command):
    done = thalweg_command("run", "own.toml", "--trust", "--jobs", 1, "--out", "out", "--json")
    run = json.loads(done)["runs"][0]["id"]
    shown = thalweg_command(
        *("measure", run, "--out", "out", "--probe", "own_functions:outputs", "--set", "scale=0"),
        *("--trust", "--json"),
    )
    assert json.loads(shown)["mean"] == 0


def curvature():
    from thalweg.data import load_task
    from thalweg.models import build_model

    task = load_task("digits", {})
    model = build_model("mlp", {"widths": [8]}, (1, 8, 8), 10, 0, None)
    return tw.measure.curvature_of(model.eval(), task, examples=50)


@pytest.fixture
def thalweg_command(capsys, monkeypatch):
    from thalweg.cli import commands

    def run(*arguments: Any) -> str:
        monkeypatch.setattr(sys, "argv", ["thalweg", *map(str, arguments)])
        commands.run_command_line()
        return capsys.readouterr().out

    return run
