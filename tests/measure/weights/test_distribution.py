"""Moments, quantiles, histograms, fits and tails against SciPy and NumPy."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from thalweg.measure.weights.change import change
from thalweg.measure.weights.distribution import (
    LEVELS,
    LOG10_EDGES,
    SIZE_EDGES,
    bins,
    histogram,
    moments,
    quantiles,
)
from thalweg.measure.weights.fits import fits, hill
from thalweg.measure.weights.matrices import spectral

DRAWS = {
    "normal": lambda draw: draw.normal(0.01, 0.05, 5000),
    "lognormal": lambda draw: draw.lognormal(-3, 1.2, 5000) * draw.choice([-1, 1], 5000),
    "laplace": lambda draw: draw.laplace(0, 0.1, 5000),
}
BEST = {"normal": "half_normal", "lognormal": "lognormal", "laplace": "exponential"}

NONE = torch.zeros(0, dtype=torch.float64)
EQUAL = torch.full((7,), 0.3, dtype=torch.float64)


def drawn(kind: str) -> Tensor:
    return torch.from_numpy(DRAWS[kind](np.random.default_rng(3)))


@pytest.mark.parametrize("kind", DRAWS)
def test_moments_and_quantiles(kind: str) -> None:
    weights = drawn(kind)
    w = weights.numpy()
    assert moments(weights) == pytest.approx(
        {
            "mean": w.mean(),
            "deviation": w.std(),
            "skewness": stats.skew(w),
            "kurtosis": stats.kurtosis(w),
        },
        rel=1e-9,
    )
    found = quantiles(weights.abs().sort().values)
    expected = np.quantile(np.abs(w), [*LEVELS.values()])
    assert list(found.values()) == pytest.approx(expected.tolist(), rel=1e-12)
    assert found["median"] == pytest.approx(np.median(np.abs(w)), rel=1e-12)


@pytest.mark.parametrize("kind", DRAWS)
def test_histograms(kind: str) -> None:
    sizes = drawn(kind).abs()
    for values, edges, lowest in (
        (sizes, SIZE_EDGES, 0.0),
        (sizes.log10(), LOG10_EDGES, -math.inf),
    ):
        found = histogram(values, edges)
        expected, _ = np.histogram(values.numpy(), [-np.inf, *edges.tolist(), np.inf])
        assert found == expected.tolist()
        assert sum(found) == 5000
        ends = bins(edges, lowest)
        assert len(ends) == len(found)
        assert ends[0] == [lowest, edges[0]] and ends[-1] == [edges[-1], math.inf]
        assert all(before[1] == after[0] for before, after in pairwise(ends))


@pytest.mark.parametrize("kind", DRAWS)
def test_fits_are_the_likeliest(kind: str) -> None:
    sizes = drawn(kind).abs()
    x = sizes.numpy()
    found = fits(sizes)
    shape, _, scale = stats.lognorm.fit(x, floc=0)
    assert found["log_deviation"] == pytest.approx(shape, rel=1e-4)
    assert found["log_mean"] == pytest.approx(math.log(scale), rel=1e-4)
    fitted = {
        "lognormal": stats.lognorm(shape, 0, scale),
        "half_normal": stats.halfnorm(*stats.halfnorm.fit(x, floc=0)),
        "exponential": stats.expon(*stats.expon.fit(x, floc=0)),
    }
    expected = {name: each.logpdf(x).mean() for name, each in fitted.items()}
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert found["best"] == max(expected, key=expected.__getitem__) == BEST[kind]


def test_what_has_no_spread_has_no_fit() -> None:
    for sizes in (NONE, EQUAL):
        found = fits(sizes)
        assert found.pop("best") is None
        assert len(found) == 5 and all(math.isnan(value) for value in found.values())
    assert all(math.isnan(value) for value in moments(NONE).values())
    assert moments(EQUAL)["mean"] == pytest.approx(0.3)
    assert all(math.isnan(value) for value in quantiles(NONE).values())
    assert set(quantiles(EQUAL).values()) == {0.3}
    assert sum(histogram(NONE, SIZE_EDGES)) == 0


def test_the_tail_of_a_power_law_has_its_exponent() -> None:
    x = np.sort(np.random.default_rng(0).pareto(2.5, 40_000) + 1)
    exponent, error = hill(torch.from_numpy(x), 0.05)
    top = x[-2000:]
    assert exponent == pytest.approx(1 / np.log(top / x[-2001]).mean(), rel=1e-9)
    assert error == pytest.approx(exponent / math.sqrt(2000))
    assert abs(exponent - 2.5) < 3 * error
    # Above the (k+1)-th value the estimator is the likeliest exponent of a Pareto distribution.
    shape, _, _ = stats.pareto.fit(top, floc=0, fscale=x[-2001])
    assert exponent == pytest.approx(shape, rel=1e-3)


@pytest.mark.parametrize(("count", "share"), [(0, 0.5), (3, 0.5), (100, 0.01)])
def test_a_tail_of_less_than_two_is_undefined(count: int, share: float) -> None:
    ascending = torch.arange(1, count + 1, dtype=torch.float64)
    assert all(map(math.isnan, hill(ascending, share)))


@pytest.mark.parametrize("shape", [(7, 12), (12, 7), (6, 3, 5, 5), (4, 1)])
def test_norm_and_stable_rank_of_a_kernel_are_those_of_its_matrix(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sizes = np.linalg.svd(weight.numpy().reshape(shape[0], -1), compute_uv=False)
    assert spectral(weight) == pytest.approx((sizes[0], (sizes**2).sum() / sizes[0] ** 2))


def test_ranks_that_are_known() -> None:
    first = torch.outer(torch.arange(1.0, 4.0), torch.arange(1.0, 6.0)).double()
    assert spectral(first)[1] == pytest.approx(1)
    assert spectral(3 * torch.eye(5, dtype=torch.float64)) == pytest.approx((3, 5))
    norm, rank = spectral(torch.zeros(3, 4, dtype=torch.float64))
    assert norm == 0 and math.isnan(rank)


def test_flips_and_distance_are_of_the_weights_that_are_left() -> None:
    initial = torch.tensor([[1.0, -1.0, 2.0], [0.0, 3.0, -2.0]], dtype=torch.float64)
    weights = torch.tensor([[2.0, 1.0, 0.0], [1.0, 3.0, -1.0]], dtype=torch.float64)
    found = change(weights, initial)
    assert found["flipped"] == pytest.approx(1 / 4)  # one of them had no sign
    moved = np.array([1, 2, 1, 0, 1.0])
    before = np.array([1, -1, 0, 3, -2.0])
    assert found["moved"] == pytest.approx(np.linalg.norm(moved) / np.linalg.norm(before))
    assert change(initial, initial) == {"flipped": 0, "moved": 0}
    assert change(-initial, initial) == {"flipped": 1, "moved": 2}
    assert all(map(math.isnan, change(torch.zeros(3), initial[0]).values()))
