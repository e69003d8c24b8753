import math
from itertools import combinations

import numpy as np
import pytest

from thalweg.study.expected_best import expected_best
from thalweg.study.halving import Rung, rungs, survivors

INF = math.inf


def test_rungs_of_the_published_example() -> None:
    # Li et al., arXiv:1603.06560, table 1, the bracket s = 4 with R = 81 and η = 3.
    assert rungs(81, 81, 3) == [Rung(81, 1), Rung(27, 3), Rung(9, 9), Rung(3, 27), Rung(1, 81)]


@pytest.mark.parametrize(
    ("points", "epochs", "factor", "expected"),
    [
        (20, 10, 3, [Rung(20, 1), Rung(6, 3), Rung(2, 10)]),
        (8, 1, 3, [Rung(8, 1)]),
        (2, 9, 3, [Rung(2, 9)]),
        (4, 100, 2, [Rung(4, 25), Rung(2, 50), Rung(1, 100)]),
    ],
)
def test_rungs_never_train_nothing(
    points: int, epochs: int, factor: int, expected: list[Rung]
) -> None:
    assert rungs(points, epochs, factor) == expected


def test_survivors_are_the_best_in_their_order() -> None:
    losses = [[0.3, 0.5], [0.1, INF], [0.2, 0.2], [INF, INF], [0.6, 0.1]]
    assert survivors(losses, False, 2) == [2, 4]
    assert survivors(losses, False, 4) == [0, 1, 2, 4]
    assert survivors(losses, False, 5) == [0, 1, 2, 4]  # one diverged in every run
    assert survivors([[0.3], [0.9], [0.5]], True, 1) == [1]


@pytest.mark.parametrize("higher", [True, False])
def test_expected_best_is_the_mean_over_all_subsets(higher: bool) -> None:
    figures = np.random.default_rng(0).normal(size=7).round(1)  # with ties
    best = max if higher else min
    exact = [np.mean([best(s) for s in combinations(figures, n)]) for n in range(1, 8)]
    assert expected_best(figures, higher) == pytest.approx(exact, rel=1e-12)


def test_expected_best_is_infinite_while_a_draw_may_diverge_altogether() -> None:
    found = expected_best([INF, 1.0, INF, 2.0], higher_is_better=False)
    assert found[:2].tolist() == [INF, INF]
    assert found[2:] == pytest.approx([1.25, 1.0])


@pytest.mark.parametrize("figures", [[], [1.0, math.nan]])
def test_expected_best_needs_figures(figures: list[float]) -> None:
    with pytest.raises(ValueError, match="figures"):
        expected_best(figures, True)
