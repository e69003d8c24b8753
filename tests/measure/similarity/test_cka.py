"""CKA, effective rank and class separation against their definitions and where they are known."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.measure.similarity import cka, class_separation, effective_rank

Array = NDArray[np.float64]

DRAW = np.random.default_rng(4)
X = DRAW.normal(1, 2, (60, 9))
Y = np.tanh(X @ DRAW.normal(0, 0.2, (9, 5))) + 0.1 * DRAW.normal(size=(60, 5))
Z = DRAW.normal(size=(60, 130))


def one(x: Array, y: Array) -> float:
    found = cka([torch.from_numpy(x)], [torch.from_numpy(y)])
    assert found.shape == (1, 1) and found.dtype == torch.float64
    return float(found)


def as_u_statistic(x: Array, y: Array) -> float:
    """HSIC as the mean over all ordered quadruples of different examples (Gretton et al. 2007)."""
    K, L = x @ x.T, y @ y.T
    terms = [
        K[i, j] * (L[i, j] + L[q, r] - 2 * L[i, q]) for i, j, q, r in permutations(range(len(x)), 4)
    ]
    return float(np.mean(terms))


@pytest.mark.parametrize("other", [Y, Z], ids=["related", "independent"])
def test_it_is_the_ratio_of_u_statistics(other: Array) -> None:
    x, y = X[:9], other[:9]
    expected = as_u_statistic(x, y) / np.sqrt(as_u_statistic(x, x) * as_u_statistic(y, y))
    assert one(x, y) == pytest.approx(expected, rel=1e-9)


def with_centring(x: Array, y: Array) -> float:
    """The biased form, tr(KHLH)/√…, with the centring matrix H."""
    H = np.eye(len(x)) - 1 / len(x)
    K, L = H @ x @ x.T @ H, H @ y @ y.T @ H
    return float(np.trace(K @ L) / np.sqrt(np.trace(K @ K) * np.trace(L @ L)))


def test_of_many_examples_it_is_what_centring_matrices_give() -> None:
    draw = np.random.default_rng(1)
    x = draw.normal(size=(1500, 3))
    y = x @ draw.normal(size=(3, 4)) + draw.normal(size=(1500, 4))
    assert one(x, y) == pytest.approx(with_centring(x, y), abs=2e-3)


def test_independent_features_are_not_alike_however_many_units_they_have() -> None:
    draw = np.random.default_rng(2)
    pairs = [(draw.normal(size=(60, 300)), draw.normal(size=(60, 300))) for _ in range(20)]
    assert abs(np.mean([one(x, y) for x, y in pairs])) < 0.02
    assert with_centring(*pairs[0]) > 0.8


CHANGES: dict[str, Callable[[Array], Array]] = {
    "rotated": lambda x: x @ np.linalg.qr(DRAW.normal(size=(x.shape[1], x.shape[1])))[0],
    "permuted": lambda x: x[:, ::-1],
    "scaled": lambda x: 1e-3 * x,
    "shifted": lambda x: x + 100,
}


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("features", [X, Z], ids=["few", "many"])
def test_what_changes_nothing(kind: str, features: Array) -> None:
    changed = np.ascontiguousarray(CHANGES[kind](features))
    assert one(features, features) == pytest.approx(1, abs=1e-12)
    assert one(features, changed) == pytest.approx(1, rel=1e-9)
    assert one(changed, Y) == pytest.approx(one(features, Y), rel=1e-8)


def test_a_single_unit_s_is_a_squared_correlation_in_the_limit() -> None:
    draw = np.random.default_rng(3)
    x = draw.normal(size=(4000, 1))
    y = 0.6 * x + 0.8 * draw.normal(size=(4000, 1))
    assert one(x, y) == pytest.approx(np.corrcoef(x[:, 0], y[:, 0])[0, 1] ** 2, abs=2e-3)


def test_all_pairs_of_layers() -> None:
    first, second = [torch.from_numpy(a) for a in (X, Y)], [torch.from_numpy(a) for a in (Z, X, Y)]
    found = cka(first, second)
    assert found.shape == (2, 3)
    for i, a in enumerate((X, Y)):
        for j, b in enumerate((Z, X, Y)):
            assert float(found[i, j]) == pytest.approx(one(a, b), rel=1e-12)


def test_constant_features_are_like_none() -> None:
    found = cka([torch.full((9, 3), 0.1)], [torch.from_numpy(X[:9])])
    assert found.isnan().all()


@pytest.mark.parametrize("features", [X, Z], ids=["few", "many"])
def test_the_effective_rank_is_the_entropy_of_the_singular_values(features: Array) -> None:
    sizes = np.linalg.svd(features - features.mean(0), compute_uv=False)
    shares = sizes[sizes > 1e-12 * sizes[0]] / sizes.sum()
    expected = np.exp(-(shares * np.log(shares)).sum())
    assert effective_rank(torch.from_numpy(features)) == pytest.approx(expected, rel=1e-5)


def test_ranks_that_are_known() -> None:
    sides = torch.cat([torch.eye(4), -torch.eye(4)])
    assert effective_rank(sides) == pytest.approx(4)
    assert effective_rank(sides + 7) == pytest.approx(4, rel=1e-5)
    line = torch.outer(torch.arange(10.0), torch.tensor([1.0, -2.0, 0.5]))
    assert effective_rank(line) == pytest.approx(1, abs=1e-5)
    assert np.isnan(effective_rank(torch.ones(5, 3)))


def by_pairs(features: Array, classes: Array) -> float:
    """R² as the paper writes it: sums over all pairs of examples."""
    names = np.unique(classes)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    distance = 1 - unit @ unit.T
    blocks = np.array(
        [[distance[np.ix_(classes == a, classes == b)].mean() for b in names] for a in names]
    )
    return float(1 - np.diag(blocks).mean() / blocks.mean())


def test_the_separation_is_that_of_all_pairs() -> None:
    classes = np.array([0] * 5 + [2] * 20 + [7] * 35)  # of different sizes
    for features in (X, Z, X + 3 * classes[:, None]):
        found = class_separation(torch.from_numpy(features), torch.from_numpy(classes))
        assert found == pytest.approx(by_pairs(features, classes), rel=1e-9)
    apart = class_separation(torch.from_numpy(X), torch.from_numpy(classes))
    assert apart < class_separation(tensor(X + 50 * (classes == 2)[:, None]), tensor(classes))


def tensor(values: Array) -> Tensor:
    return torch.from_numpy(values)


def test_separations_that_are_known() -> None:
    classes = torch.arange(3).repeat(20)
    points = torch.eye(3)[classes] * torch.rand(60, 1) + torch.finfo(torch.float32).tiny
    assert class_separation(points, classes) == pytest.approx(1, abs=1e-6)
    same = torch.from_numpy(np.tile(X[:20], (3, 1)))
    assert class_separation(same, torch.arange(3).repeat_interleave(20)) == pytest.approx(
        0, abs=1e-9
    )
    assert class_separation(same, torch.zeros(60)) == pytest.approx(0, abs=1e-9)
