import math
from typing import Any

import numpy as np
import optuna
import pytest

from thalweg.study.ranges import Range
from thalweg.study.tpe import propose

SPACE = {"lr": Range(1e-6, 1.0, None), "rule": ["sgd", "adam", {"name": "lion"}]}


def loss(point: dict[str, Any]) -> float:
    wrong = point["rule"] != "adam"
    return (math.log10(point["lr"]) + 2) ** 2 + 3 * wrong


def search(rounds: int, batch: int = 5) -> list[float]:
    """Losses of the trials, the first round of them at random."""
    generator = np.random.default_rng(0)
    history = [
        {"lr": 10 ** generator.uniform(-6, 0), "rule": SPACE["rule"][generator.integers(3)]}
        for _ in range(batch)
    ]
    for number in range(rounds):
        order = np.argsort([loss(point) for point in history])
        ranks = np.argsort(order).tolist()
        history += propose(SPACE, history, ranks, batch, number)
    return [loss(point) for point in history]


def test_proposals_come_to_lie_near_the_optimum() -> None:
    losses = search(12)
    assert len(losses) == 65
    # At random a trial has adam and is within half a decade once in 18.
    assert np.mean(np.array(losses[-30:]) < 0.25) > 0.2


def test_a_proposal_is_a_function_of_its_arguments() -> None:
    history = [{"lr": 1e-3, "rule": "sgd"}, {"lr": 1.0, "rule": {"name": "lion"}}]
    first, again, other = (propose(SPACE, history, [0, 1], 4, seed) for seed in (3, 3, 4))
    assert first == again != other
    assert len({point["lr"] for point in first}) == 4
    assert all(1e-6 <= point["lr"] <= 1 and point["rule"] in SPACE["rule"] for point in first)


def test_equal_to_optuna_asked_by_hand() -> None:
    """The same trials told to a study of Optuna's own, losses in place of ranks."""
    space = {"lr": SPACE["lr"]}
    rates = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    values = [9.0, 4.0, 1.0, 0.0, 1.5]
    sampler = optuna.samplers.TPESampler(seed=7, n_startup_trials=0, constant_liar=True)
    study = optuna.create_study(sampler=sampler)
    distributions = {"lr": optuna.distributions.FloatDistribution(1e-6, 1.0, log=True)}
    for rate, value in zip(rates, values, strict=True):
        trial = optuna.trial.create_trial(
            params={"lr": rate}, distributions=distributions, value=value
        )
        study.add_trial(trial)
    wanted = [study.ask(distributions).params["lr"] for _ in range(3)]
    ranks = np.argsort(np.argsort(values)).tolist()
    found = propose(space, [{"lr": rate} for rate in rates], ranks, 3, 7)
    assert [point["lr"] for point in found] == pytest.approx(wanted, rel=1e-5)
