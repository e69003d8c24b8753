"""Scopes: exact totals under ties, and every formula by a solver of its own."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.sparsity import SCOPES, densities, prunable, select

LENET = {
    "conv1": (6, 1, 5, 5),
    "conv2": (16, 6, 5, 5),
    "fc1": (120, 256),
    "fc2": (84, 120),
    "fc3": (10, 84),
}
COUNTING = ["global", "layerwise", "erk", "igq"]

shapes = st.lists(
    st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple), min_size=1, max_size=5
)


def tied(shapes: list[tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(seed)
    return {
        f"layer{i}": torch.randint(0, 4, shape, generator=stream).float()
        for i, shape in enumerate(shapes)
    }


def random_scores(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=stream) for name, shape in shapes.items()}


@settings(deadline=None, max_examples=40)
@given(shapes, st.integers(0, 1000), st.sampled_from(COUNTING), st.integers(0, 9))
def test_exact_totals_under_ties(
    shapes: list[tuple[int, ...]], thousandths: int, scope: str, seed: int
) -> None:
    scores = tied(shapes, seed)
    masks = select(scores, thousandths / 1000, scope)
    size = sum(s.numel() for s in scores.values())
    assert sum(int(m.sum()) for m in masks.values()) == thousandths * size // 1000
    for name, mask in masks.items():  # within a layer the largest, of equal ones the first
        order = np.argsort(-scores[name].numpy().ravel(), kind="stable")
        assert mask.shape == scores[name].shape and mask.dtype == torch.bool
        assert set(order[: int(mask.sum())]) == set(mask.flatten().nonzero().flatten().tolist())


@settings(deadline=None, max_examples=40)
@given(shapes, st.lists(st.integers(0, 100), min_size=2, max_size=5), st.sampled_from(COUNTING))
def test_rounds_only_ever_take_away(
    shapes: list[tuple[int, ...]], percents: list[int], scope: str
) -> None:
    masks = None
    for turn, percent in enumerate(sorted(percents, reverse=True)):
        scores = tied(shapes, turn)
        found = select(scores, percent / 100, scope, masks)
        size = sum(s.numel() for s in scores.values())
        assert sum(int(m.sum()) for m in found.values()) == percent * size // 100
        if masks is not None:
            assert not any(bool((found[name] & ~masks[name]).any()) for name in found)
        masks = found


def test_global_is_one_sort_of_all() -> None:
    scores = tied(list(LENET.values()), 0)
    flat = np.concatenate([s.numpy().ravel() for s in scores.values()])
    expected = np.zeros(len(flat), dtype=bool)
    expected[np.argsort(-flat, kind="stable")[: len(flat) * 3 // 10]] = True
    masks = select(scores, 0.3)
    found = np.concatenate([m.numpy().ravel() for m in masks.values()])
    assert np.array_equal(found, expected)


def test_layerwise_rounds_by_largest_remainders() -> None:
    """Quotas 1.5, 1.5 and 3 of 6 weights: the first of equal remainders gets the odd one."""
    scores = {"a": torch.zeros(3), "b": torch.zeros(3), "c": torch.zeros(6)}
    masks = select(scores, 0.5, "layerwise")
    assert [int(m.sum()) for m in masks.values()] == [2, 1, 3]
    assert masks["a"].tolist() == [True, True, False]


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.2, 0.05, 0.01])
def test_erk_is_that_of_rigl(keep: float) -> None:
    """By the algorithm of the authors: ε solved anew with one more dense layer at a time."""
    dense: set[str] = set()
    while True:
        raw = {n: sum(s) / np.prod(s) for n, s in LENET.items() if n not in dense}
        budget = keep * sum(np.prod(s) for s in LENET.values())
        budget -= sum(np.prod(LENET[n]) for n in dense)
        epsilon = budget / sum(raw[n] * np.prod(LENET[n]) for n in raw)
        top = max(raw, key=lambda n: raw[n])
        if epsilon * raw[top] <= 1:
            break
        dense.add(top)
    masks = select(random_scores(LENET), keep, "erk")
    for name, shape in LENET.items():
        expected = 1.0 if name in dense else epsilon * raw[name]
        assert abs(int(masks[name].sum()) - expected * np.prod(shape)) < 1.001
    assert (len(dense) > 0) == (keep >= 0.2)


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.2, 0.01, 0.0002])
def test_igq_has_one_force(keep: float) -> None:
    sizes = {name: int(np.prod(shape)) for name, shape in LENET.items()}
    whole = int(keep * sum(sizes.values()))
    low, high = 0.0, 100.0
    for _ in range(200):
        force = (low + high) / 2
        quotas = {n: N / (force * N + 1) for n, N in sizes.items()}
        low, high = (force, high) if sum(quotas.values()) > whole else (low, force)
    masks = select(random_scores(LENET), keep, "igq")
    assert sum(int(m.sum()) for m in masks.values()) == whole
    for name, quota in quotas.items():
        assert abs(int(masks[name].sum()) - quota) < 1.001


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (3, 3), (1, 5)])
def test_nm_is_the_best_of_every_group(n: int, m: int) -> None:
    stream = torch.Generator().manual_seed(0)
    scores = {
        "linear": torch.rand(3, 2 * m, generator=stream),
        "convolution": torch.rand(2, m, 3, 2, generator=stream),
    }
    masks = select(scores, n / m, {"name": "nm", "m": m})
    for name, values in scores.items():
        inputs = values.numpy().reshape(*values.shape[:2], -1)
        mask = masks[name].numpy().reshape(inputs.shape)
        for o in range(inputs.shape[0]):
            for position in range(inputs.shape[2]):
                for start in range(0, inputs.shape[1], m):
                    group = inputs[o, start : start + m, position]
                    best = max(combinations(range(m), n), key=lambda c: sum(group[list(c)]))
                    kept = mask[o, start : start + m, position].nonzero()[0]
                    assert tuple(kept) == best


def test_nm_takes_the_first_of_equals() -> None:
    masks = select({"w": torch.zeros(1, 8)}, 0.5, "nm")
    assert masks["w"].tolist() == [[True, True, False, False] * 2]


def test_capacity_is_passed_on_to_other_layers() -> None:
    """Where a layer has too few weights left, the others take its share."""
    scores = {"a": torch.rand(10), "b": torch.rand(10), "c": torch.rand(20)}
    within = {
        "a": torch.arange(10) < 2,
        "b": torch.ones(10) > 0,
        "c": torch.ones(20) > 0,
    }
    for scope in ("layerwise", "igq"):
        masks = select(scores, 0.5, scope, within)
        counts = [int(m.sum()) for m in masks.values()]
        assert sum(counts) == 20 and counts[0] == 2 and counts[1] >= 6
    assert [int(m.sum()) for m in select(scores, 0.5, "layerwise", within).values()] == [2, 6, 12]


def test_what_is_refused() -> None:
    scores = {"w": torch.rand(4, 6)}
    for keep, scope, message in [
        (1.1, "global", "keep = 1.1: must be at least 0 and at most 1"),
        (0.5, "gloabl", r"unknown scope 'gloabl'; did you mean 'global'\?"),
        (0.5, {"name": "erk", "m": 3}, "scope: unknown key 'm'"),
        (0.5, "nm", r"'w' of shape \(4, 6\) has 6 inputs, but .* a multiple of m = 4"),
        (0.3, "nm", "keep = 0.3 must be a whole number of 4ths, since m = 4"),
        (0.5, {"name": "nm", "m": 0}, "scope.m = 0: must be at least 1"),
    ]:
        with pytest.raises(InputError, match=message):
            select(scores, keep, scope)
    with pytest.raises(InputError, match=r"'b' of shape \(8,\) has 0 inputs"):
        select({"b": torch.rand(8)}, 0.5, "nm")
    with pytest.raises(InputError, match=r"keep = 0.5: is 12 weights, but only 3 may be kept"):
        select(scores, 0.5, within={"w": torch.arange(24).view(4, 6) < 3})
    with pytest.raises(InputError, match="scores of 'w': must be finite"):
        select({"w": torch.tensor([1.0, float("nan")])}, 0.5)


def test_every_scope_is_registered() -> None:
    assert SCOPES.names() == [*COUNTING, "nm"]
    model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 4))
    scores = {name: model.get_parameter(name).detach() for name in prunable(model)}
    for scope in SCOPES.names():
        found = densities(select(scores, 0.5, scope))
        total = sum(Fraction(found[n]) * s.numel() for n, s in scores.items())
        assert total == 24
