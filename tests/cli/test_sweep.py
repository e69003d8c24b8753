import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from thalweg.store import Store
from thalweg.store.assemble import read_results

SWEEP = ("sweep", "mlp", "digits", "--set", "model.widths=[8]", "--jobs", 1)
RANDOM = (*SWEEP, "--lr", "1e-3..1:log", "--search", "random")
STEPS = 18  # of an epoch: 1150 examples, 64 a step


def runs(done: Any) -> list[dict[str, Any]]:
    assert done.status == 0, done
    return list(json.loads(done.stdout)["runs"])


def test_a_budget_sets_the_trials_and_is_kept(thalweg: Callable[..., Any]) -> None:
    budget = 2 * STEPS * 3 + 10
    done = thalweg(*RANDOM, "--epochs", 1, "--seeds", 2, "--budget", budget, "--json")
    found = runs(done)
    assert len(found) == 2 * 3
    assert sum(run["gradient_evaluations"] for run in found) == 2 * STEPS * 3
    assert len({run["hyperparameters"]["lr"] for run in found}) == 3


def test_halving_trains_the_better_third_for_three_times_as_long(
    thalweg: Callable[..., Any],
) -> None:
    options = ("--trials", 6, "--epochs", 3, "--seeds", 1, "--halving", 3, "--name", "h")
    done = thalweg(*RANDOM, *options, "--json")
    found = runs(done)
    store = Store(Path("thalweg-out"))
    first = read_results(store, "h-round-1")
    assert first.runs["epochs"].to_list() == [1] * 6
    best = first.runs.sort("validation_loss")["lr"].to_list()[:2]
    assert [run["epochs"] for run in found] == [3, 3]
    assert {run["hyperparameters"]["lr"] for run in found} == set(best)
    (note,) = [text for text in read_results(store, "h").provenance["warnings"] if "Round" in text]
    assert f"6 points, epochs: 1, gradient evaluations: {6 * STEPS}" in note
    assert "The worst 4 by validation loss were dropped: lr=" in note and note in done.stderr
    assert note.endswith("The others go on from their initialisation, trained anew.")
    assert thalweg(*RANDOM, *options, "--json").stdout == done.stdout


def test_a_budget_counts_every_round(thalweg: Callable[..., Any]) -> None:
    # 3 draws cost 3 epochs and then 3 of the best; a fourth would cost one more.
    options = ("--epochs", 3, "--seeds", 1, "--halving", 3, "--budget", 6 * STEPS)
    done = thalweg(*RANDOM, *options, "--dry-run")
    assert done.status == 0
    assert "round 1: 3 × 1 epochs" in done.stderr
    assert done.stdout.lstrip().startswith("cohorts") and "3 runs" in done.stdout
    assert "round 2: 1 × 3 epochs" in done.stderr


OPTUNA = (*SWEEP, "--lr", "1e-4..1:log", "--epochs", 1, "--seeds", 2, "--search", "optuna")


def test_a_budget_sets_the_trials_of_an_optuna_search(thalweg: Callable[..., Any]) -> None:
    done = thalweg(*OPTUNA, "--budget", 2 * STEPS * 3 + 10, "--dry-run")
    assert done.status == 0 and "6 runs" in done.stdout
    assert "random ones stand for them" in done.stderr


def test_without_optuna_one_sentence_says_how_to_get_it(
    thalweg: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thalweg.study.tpe.find_spec", lambda name: None)
    done = thalweg(*OPTUNA, "--trials", 9)
    assert (done.status, done.stdout) == (2, "")
    assert "pip install 'thalweg[optuna]'" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--lr 1e-3..1:log", "optimizer.lr: a LOW..HIGH:log range must be drawn"),
        ("--lr 1e-3..1:log --search random", "search.trials: is missing"),
        ("--lr 1e-3..1:log --search bayes", "search.method = 'bayes'"),
        ("--lr 1e-3..1:log --search random --trials 0", "search.trials = 0: must be at least 1"),
        ("--lr 1e-3..1:4 --trials 3", "search.trials = 3: must be left out of a grid search"),
        ("--lr 1e-3..1:4 --halving 1", "--halving 1: must be a whole number of at least 2"),
        ("--lr 1e-3..1:4 --halving x", "--halving x: must be a whole number of at least 2"),
        ("--lr 1e-3..1:4 --budget 0", "--budget 0: must be a whole number of at least 1"),
        ("--lr 1e-3..1:4 --budget 9", "--budget 9: must be at least 216, which the sweep needs"),
        (
            "--lr 1e-3..1:log --search random --budget 9",
            "--budget 9: must be at least 54 gradient evaluations, which one trial needs",
        ),
        (
            "--lr 1e-3..1:4 --budget 900 --optimizer svrg",
            "leave --budget out, and bound the sweep by the points of its grid or --trials",
        ),
        ("--lr 1e-3..1:log --search optuna", "search.trials: is missing, an Optuna search needs"),
        (
            "--lr 1e-3..1:log --search optuna --trials 4 --halving 2",
            "be left out of an Optuna search",
        ),
        ("--lr 0.1 --search optuna --trials 4", "--lr '0.1': must be LOW..HIGH:POINTS"),
        ("--lr 1e-3..1:4 --set search.batch=4", "search.batch: must be left out, unless"),
        ("--lr 1e-3..1:4 --set train.epochs=[1,2] --halving 2", "needs the same train.epochs"),
        ("--lr 1e-3..1:4 --set optimizer.momentum=1..0:3", "optimizer.momentum = '1..0:3': must"),
    ],
)
def test_wrong_input_gets_one_sentence(
    thalweg: Callable[..., Any], options: str, message: str
) -> None:
    done = thalweg(*SWEEP, "--epochs", 1, *options.split())
    assert (done.status, done.stdout) == (2, "")
    assert message in done.stderr and done.stderr.count("\n") == 1
