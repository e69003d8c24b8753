"""The levels of repeated looks against numerical integration, and by simulation."""

import numpy as np
import pytest
from scipy import stats

from thalweg.study.comparison import looks, nominal_levels, resolve_all
from thalweg.study.comparison.sequential import resolved_at


def integrated_levels(shares: list[float], size: float) -> list[float]:
    """Levels of a normal statistic, error spent linearly, by the recursion of Armitage, McPherson
    and Rowe (Journal of the Royal Statistical Society A 132, 1969)."""
    found = []
    grid, mass, before = np.array([0.0]), np.array([1.0]), 0.0
    for share in shares:
        step, allowed = np.sqrt(share - before), size * (share - before)
        axis = np.linspace(-8, 8, 2001)  # of the score, whose variance is the share
        density = stats.norm.pdf(axis[:, None], grid[None], step) @ mass
        tail = np.array([density[np.abs(axis) >= c].sum() for c in np.linspace(0, 8, 2001)])
        c = np.interp(-allowed, -tail * (axis[1] - axis[0]), np.linspace(0, 8, 2001))
        found.append(2 * stats.norm.sf(c / np.sqrt(share)))
        inside = np.abs(axis) < c
        grid, mass, before = axis[inside], density[inside] * (axis[1] - axis[0]), share
    return found


def test_looks_grow_by_half() -> None:
    assert looks(3, 40) == [5, 8, 12, 18, 27, 40]
    assert looks(7, 12) == [7, 11, 12] and looks(5, 5) == [5]


def test_levels_of_many_seeds_are_the_normal_ones() -> None:
    counts = (1000, 2000, 3000, 4000, 5000)
    expected = integrated_levels([n / 5000 for n in counts], 0.05)
    assert nominal_levels(counts, 5000, 0.05) == pytest.approx(expected, rel=0.04)


def test_one_look_at_all_seeds_is_the_fixed_test() -> None:
    assert nominal_levels((12,), 12, 0.05) == pytest.approx((0.05,), rel=0.01)


def test_no_level_is_below_what_its_look_spends() -> None:
    counts = (5, 8, 12)
    for size in (0.05, 1e-3, 1e-7):
        levels = nominal_levels(counts, 12, size)
        spent = np.diff([0, *(size * n / 12 for n in counts)])
        assert (np.array(levels) >= spent - 1e-15).all()
        assert sum(spent) == pytest.approx(size)


def test_a_look_beyond_the_last_resolves_nothing() -> None:
    levels = nominal_levels((5, 10, 15), 10, 0.05)
    assert levels[2] == 0
    assert resolved_at([0.5, 0.5, 1e-9], (5, 10, 15), 10, 0.05) is None


@pytest.mark.parametrize("size", [0.05, 0.01])
def test_error_over_all_looks(size: float) -> None:
    """Whole studies of normal differences, from another generator than the levels'."""
    studies, counts = 40_000, (5, 8, 12, 18, 20)
    d = np.random.Generator(np.random.MT19937(7)).normal(size=(studies, 20))
    p = np.stack([stats.ttest_1samp(d[:, :n], 0, axis=1).pvalue for n in counts], axis=1)
    wrong = (p <= nominal_levels(counts, 20, size)).any(axis=1).mean()
    assert abs(wrong - size) < 4 * np.sqrt(size / studies)
    assert (p <= size).any(axis=1).mean() > 1.8 * size  # what looking without a rule would do


def test_resolved_comparisons_leave_their_share_to_the_others() -> None:
    counts, most = (5, 10), 10
    half, whole = (nominal_levels(counts, most, size) for size in (0.025, 0.05))
    between = (half[1] + whole[1]) / 2
    assert half[1] < between < whole[1]
    assert resolve_all([[1, between], [1, 1]], [counts] * 2, most, 0.05) == [None, None]
    assert resolve_all([[1, between], [1e-9, 1]], [counts] * 2, most, 0.05) == [1, 0]
    assert resolve_all([], [], most, 0.05) == []
