from typing import Any

import numpy as np
import pytest

from thalweg.errors import InputError
from thalweg.study import build_study
from thalweg.study.ranges import parse_range


def table(search: dict[str, Any] | None = None, **optimizer: Any) -> dict[str, Any]:
    return {
        "study": {"name": "search", "seeds": 1},
        "task": {"name": "digits"},
        "model": {"name": "mlp"},
        "optimizer": {"name": "sgd", **optimizer},
        "train": {"epochs": 1},
        **({} if search is None else {"search": search}),
    }


def drawn(search: dict[str, Any], **optimizer: Any) -> list[dict[str, Any]]:
    return [point.axes for point in build_study(table(search, **optimizer)).points]


def test_a_range_is_a_geometric_grid() -> None:
    found = [axes["optimizer.lr"] for axes in drawn({}, lr="1e-3..1:4")]
    assert found == pytest.approx([1e-3, 1e-2, 1e-1, 1])
    assert build_study(table(lr="1e-3..1:4")).points[0].specs[0].optimizer.options["lr"] == 1e-3


def test_draws_are_log_uniform_and_independent() -> None:
    search = {"method": "random", "trials": 2000}
    points = drawn(search, lr="1e-4..1:log", weight_decay="1e-6..1e-2:log")
    lr = np.log10([axes["optimizer.lr"] for axes in points])
    decay = np.log10([axes["optimizer.weight_decay"] for axes in points])
    for exponents, low, high in ((lr, -4, 0), (decay, -6, -2)):
        shares = np.sort((exponents - low) / (high - low))
        assert shares[0] >= 0 and shares[-1] <= 1
        # Kolmogorov-Smirnov distance: above 1.63/√n once in a hundred samples.
        assert np.abs(shares - (np.arange(2000) + 0.5) / 2000).max() < 1.63 / np.sqrt(2000)
    assert abs(np.corrcoef(lr, decay)[0, 1]) < 0.08


def test_more_trials_begin_with_the_same_draws_and_a_seed_gives_others() -> None:
    few, many, other = (
        drawn({"method": "random", "trials": trials, "seed": seed}, lr="1e-4..1:log")
        for trials, seed in ((3, 0), (7, 0), (3, 1))
    )
    assert many[:3] == few and len(many) == 7 and other != few


def test_lists_are_crossed_with_the_trials() -> None:
    points = drawn({"method": "random", "trials": 2}, lr="1e-4..1:log", momentum=[0.0, 0.9])
    assert [axes["optimizer.momentum"] for axes in points] == [0.0, 0.9] * 2
    assert points[0]["optimizer.lr"] == points[1]["optimizer.lr"] != points[2]["optimizer.lr"]


def test_chosen_points_alone_are_trained() -> None:
    search = {"method": "random", "trials": 5}
    every = drawn(search, lr="1e-4..1:log")
    assert drawn({**search, "points": [4, 1]}, lr="1e-4..1:log") == [every[4], every[1]]


@pytest.mark.parametrize(
    ("search", "lr", "message"),
    [
        ({"method": "random"}, "1e-4..1:log", "search.trials: is missing"),
        ({"method": "random", "trials": 0}, "1e-4..1:log", "search.trials = 0: must be at least 1"),
        ({"method": "random", "trials": 2}, 0.1, "search.method = 'random': needs a LOW..HIGH:log"),
        ({"method": "bayes"}, 0.1, "search.method = 'bayes'"),
        ({"trials": 3}, "1e-4..1:4", "search.trials = 3: must be left out of a grid search"),
        ({}, "1e-4..1:log", "optimizer.lr: a LOW..HIGH:log range must be drawn"),
        ({}, "1..0.1:4", "optimizer.lr = '1..0.1:4': must be LOW..HIGH:POINTS"),
        ({"points": [4]}, "1e-4..1:4", "search.points: 4 must be from 0 to 3"),
        ({"points": [-1]}, "1e-4..1:4", "search.points: -1 must be from 0 to 3"),
        (3, 0.1, "search = 3: must be a table"),
    ],
)
def test_wrong_searches_are_refused(search: Any, lr: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        build_study(table(search, lr=lr))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["0.1", "1..2", "1..2:1", "1..2:1001", "0..1:log", "a..b:3", "1:3"]
)
def test_wrong_ranges_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--lr .*must be LOW\.\.HIGH:POINTS"):
        parse_range(text, "--lr")
