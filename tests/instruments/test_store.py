"""A watched loop as a run of a study in the store."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.instruments.loops import digits
from torch import nn
from torch.nn.functional import cross_entropy
from typer.testing import CliRunner

import thalweg as tw
from thalweg.api import Results
from thalweg.audit import audit_study
from thalweg.cli import app
from thalweg.errors import InputError
from thalweg.instruments import Instruments
from thalweg.spec import RunSpec
from thalweg.spec.imported import is_imported
from thalweg.spec.run import spec_id
from thalweg.store import Store
from thalweg.store.assemble import read_results


def loop(
    out: Path, name: str = "sgd", seed: int = 0, lr: float = 0.3, **options: Any
) -> Instruments:
    """Train three epochs and write them down."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    x, y = digits(100)
    held, classes = digits(220)[0][100:], digits(220)[1][100:]
    optimizer = torch.optim.SGD(network.parameters(), lr=lr)
    options = {"loss": cross_entropy, "when": "every:2", **options}
    with tw.measure.Instruments(
        network, optimizer, out=out, study="mine", name=name, seed=seed, **options
    ) as watch:
        for _ in range(3):
            for index in torch.randperm(len(x)).split(25):
                optimizer.zero_grad()
                loss = cross_entropy(network(x[index]), y[index])
                loss.backward()
                watch.batch(x[index], y[index], loss)
                optimizer.step()
            with torch.no_grad():
                outputs = network(held)
            watch.epoch(
                test_loss=cross_entropy(outputs, classes),
                test_accuracy=(outputs.argmax(1) == classes).double().mean(),
            )
    return watch


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("loops") / "out"
    for seed in range(3):
        loop(folder, "quick", seed, 0.3)
        loop(folder, "slow", seed, 0.01)
    return folder


def test_its_figures_are_those_of_a_study(out: Path) -> None:
    results = read_results(Store(out), "mine")
    runs = results.runs.sort("arm", "seed")
    assert runs["arm"].to_list() == ["quick"] * 3 + ["slow"] * 3
    assert set(runs["status"]) == {"done"}
    assert set(runs["steps"]) == {12} and set(runs["epochs"]) == {3}
    assert set(runs["parameters"]) == {64 * 16 + 16 + 160 + 10}
    assert runs["test_accuracy"].min() > 0
    assert runs["optimizer"].unique().to_list() == ["SGD"]
    assert sorted(runs["lr"].unique()) == [0.01, 0.3]
    assert len(results.metrics) == 18
    series = results.series
    assert series["step"].drop_nulls().unique().sort().to_list() == [0, 2, 4, 6, 8, 10]
    costs = series.filter(series["figure"] == "gradient_evaluations")["value"]
    assert costs.to_list() == [6.0] * 6
    notes = results.provenance["warnings"]
    assert any("which instruments watched" in note for note in notes)


def test_its_spec_says_that_it_was_trained_elsewhere(out: Path) -> None:
    for run in Store(out).runs():
        assert is_imported(run.spec())
        assert spec_id(run.spec()) == run.id
        with pytest.raises(InputError):
            RunSpec.parse(run.spec())


@pytest.mark.parametrize(
    "command",
    [
        ["show", "mine"],
        ["compare", "quick", "slow", "--study", "mine"],
        ["audit", "mine"],
        ["report", "mine"],
        ["query", "SELECT figure, count(*) AS n FROM series GROUP BY figure"],
        ["verify"],
    ],
    ids=lambda command: command[0],
)
def test_commands_take_it_as_any_other(out: Path, command: list[str]) -> None:
    found = CliRunner().invoke(app, [*command, "--out", str(out), "--json"])
    assert found.exit_code == 0, found.output
    if command[0] == "query":
        counts = {row["figure"]: row["n"] for row in json.loads(found.stdout)}
        assert counts["noise"] == counts["update_ratio"] == 36
    if command[0] == "report":
        page = (out / "studies" / "mine" / "report" / "index.html").read_text("utf-8")
        assert "While training" in page


def test_what_is_better_is_told(out: Path) -> None:
    found = Results("mine", Store(out), {}).compare("quick", "slow")
    assert "quick" in str(found)
    assert audit_study(Store(out), "mine") is not None


def test_watching_again_takes_the_place(tmp_path: Path) -> None:
    loop(tmp_path / "out")
    loop(tmp_path / "out")
    store = Store(tmp_path / "out")
    assert len(read_results(store, "mine").runs) == 1
    assert len(store.run_ids()) == 2


@pytest.mark.parametrize("error", [RuntimeError("no\nmore"), KeyboardInterrupt()])
def test_an_exception_passes_and_is_written_down(tmp_path: Path, error: BaseException) -> None:
    network = nn.Linear(64, 10)
    x, y = digits(20)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    watch = Instruments(network, optimizer, "cheap", out=tmp_path / "out", study="mine", name="sgd")
    with pytest.raises(type(error)) as caught, watch:
        loss = cross_entropy(network(x), y)
        loss.backward()
        watch.batch(loss=loss)
        optimizer.step()
        raise error
    assert caught.value is error
    results = read_results(Store(tmp_path / "out"), "mine")
    assert results.runs["status"].to_list() == ["failed"]
    assert type(error).__name__ in results.runs["message"].item()
    assert "loss" in results.series["figure"].to_list()
    optimizer.step()  # nothing is left on the optimizer
    assert watch.step == 1
    assert not network._forward_pre_hooks
    assert CliRunner().invoke(app, ["verify", "--out", str(tmp_path / "out")]).exit_code == 0


def test_weights_that_are_not_finite_are_a_divergence(tmp_path: Path) -> None:
    loop(tmp_path / "out", lr=1e30)
    runs = read_results(Store(tmp_path / "out"), "mine").runs
    assert runs["status"].to_list() == ["diverged"]


def test_other_instruments_are_another_study(tmp_path: Path) -> None:
    loop(tmp_path / "out")
    with pytest.raises(InputError, match="watched by other instruments"):
        loop(tmp_path / "out", name="other", when="every:3")
    assert len(read_results(Store(tmp_path / "out"), "mine").runs) == 1
