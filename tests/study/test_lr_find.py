import math

import numpy as np
import pytest

from thalweg.study.lr_find import guess, smoothed

RATES = np.logspace(-6, 1, 140)


def falling(at: float) -> np.ndarray:
    """A loss that falls from 2 to 1, steepest against the logarithm at the given rate."""
    return 1 + 1 / (1 + (RATES / at) ** 2)


def test_smoothing_is_the_weighted_mean_of_the_past() -> None:
    losses = np.random.default_rng(0).normal(size=30)
    for t, found in enumerate(smoothed(losses), 1):
        weights = 0.9 ** np.arange(t)[::-1]
        assert found == pytest.approx(np.average(losses[:t], weights=weights), rel=1e-12)


def test_a_constant_is_its_own_smoothed_self() -> None:
    assert smoothed([3.0] * 5) == pytest.approx([3.0] * 5)


@pytest.mark.parametrize("at", [1e-4, 1e-2])
def test_the_guess_is_the_steepest_descent_within_the_lag_of_the_mean(at: float) -> None:
    found = guess(RATES, falling(at))
    assert found is not None
    # Ten steps of the running mean are half a power of ten.
    assert at <= found.lr <= at * 10**0.6
    assert found.blown_up is None
    assert found.grid.low < found.lr / 5 and found.grid.high > found.lr * 5


@pytest.mark.parametrize("end", [100.0, math.inf, math.nan])
def test_the_grid_ends_where_the_loss_blows_up(end: float) -> None:
    losses = np.where(RATES > 0.05, end, falling(1e-2))
    found = guess(RATES, losses)
    assert found is not None and found.blown_up is not None
    assert 0.05 < found.blown_up < 0.07
    assert found.grid.high <= 0.07 and found.lr < 0.05


@pytest.mark.parametrize("losses", [np.ones(140), np.linspace(1, 2, 140), np.full(140, math.nan)])
def test_no_guess_where_nothing_falls(losses: np.ndarray) -> None:
    assert guess(RATES, losses) is None
