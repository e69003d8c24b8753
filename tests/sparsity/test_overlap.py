"""Overlap of masks against sets and a simulation."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.sparsity.overlap import (
    chance_hamming,
    chance_jaccard,
    hamming,
    jaccard,
    pairwise_overlap,
)

SHAPES = {"a.weight": (4, 7), "b.weight": (3, 5, 2)}


def drawn(stream: np.random.Generator, kept: dict[str, int]) -> dict[str, Tensor]:
    """Return masks that keep so many weights of each parameter, drawn uniformly."""
    masks = {}
    for name, shape in SHAPES.items():
        flat = np.zeros(math.prod(shape), dtype=bool)
        flat[stream.choice(flat.size, kept[name], replace=False)] = True
        masks[name] = torch.from_numpy(flat.reshape(shape))
    return masks


def places(masks: dict[str, Tensor]) -> set[tuple[str, int]]:
    return {(name, i) for name, mask in masks.items() for i in np.flatnonzero(mask.numpy())}


def test_jaccard_is_that_of_sets() -> None:
    stream = np.random.default_rng(0)
    for _ in range(20):
        first, second = (
            drawn(stream, {"a.weight": int(stream.integers(29)), "b.weight": 9}) for _ in range(2)
        )
        a, b = places(first), places(second)
        assert jaccard(first, second) == len(a & b) / len(a | b)
        assert hamming(first, second) == len(a ^ b) / 58
        assert (jaccard(first, first), hamming(first, first)) == (1, 0)
    nothing = drawn(stream, {"a.weight": 0, "b.weight": 0})
    assert math.isnan(jaccard(nothing, nothing)) and math.isnan(chance_jaccard(nothing, nothing))
    assert jaccard(first, nothing) == chance_jaccard(first, nothing) == 0
    assert hamming(first, nothing) == chance_hamming(first, nothing) == len(a) / 58
    assert math.isnan(hamming({}, {})) and math.isnan(chance_hamming({}, {}))


@pytest.mark.parametrize("numbers", [((20, 6), (20, 6)), ((9, 28), (25, 3)), ((28, 30), (28, 1))])
def test_chance_is_the_mean_of_a_simulation(numbers: tuple[tuple[int, int], ...]) -> None:
    stream = np.random.default_rng(1)
    first, second = (dict(zip(SHAPES, pair, strict=True)) for pair in numbers)
    pairs = [(drawn(stream, first), drawn(stream, second)) for _ in range(1500)]
    found = [jaccard(a, b) for a, b in pairs]
    error = np.std(found) / np.sqrt(len(found))
    expected = chance_jaccard(*pairs[0])
    assert abs(expected - np.mean(found)) < max(4 * error, 1e-12) + 2e-4
    assert all(chance_jaccard(*pair) == expected for pair in pairs[:3])
    found = [hamming(a, b) for a, b in pairs]
    error = np.std(found) / np.sqrt(len(found))
    expected = chance_hamming(*pairs[0])
    assert abs(expected - np.mean(found)) < max(4 * error, 1e-12)
    assert all(chance_hamming(*pair) == expected for pair in pairs[:3])


def test_all_pairs_are_each_pair() -> None:
    stream = np.random.default_rng(3)
    numbers = [(28, 30), (0, 0), (5, 11), (20, 1), (0, 30), (0, 0)]
    masks = [drawn(stream, dict(zip(SHAPES, pair, strict=True))) for pair in numbers]
    found = pairwise_overlap(masks)
    pairs = list(combinations(masks, 2))
    np.testing.assert_array_equal(found.jaccard, [jaccard(*pair) for pair in pairs])
    np.testing.assert_array_equal(found.hamming, [hamming(*pair) for pair in pairs])
    for all_pairs, one in (
        (found.chance_jaccard, chance_jaccard),
        (found.chance_hamming, chance_hamming),
    ):
        np.testing.assert_allclose(all_pairs, [one(*pair) for pair in pairs], rtol=1e-12)
    with pytest.raises(InputError, match="must be of the parameters"):
        pairwise_overlap([*masks, {"a.weight": masks[0]["a.weight"]}])


def test_masks_of_other_parameters_are_refused() -> None:
    masks = drawn(np.random.default_rng(2), {"a.weight": 3, "b.weight": 3})
    turned = masks["b.weight"].permute(2, 1, 0)
    for other in ({"a.weight": masks["a.weight"]}, {**masks, "b.weight": turned}):
        with pytest.raises(InputError, match="must be of the parameters"):
            jaccard(masks, other)
    numbers = {name: mask.float() for name, mask in masks.items()}
    with pytest.raises(InputError, match=r"'a\.weight' is torch\.float32, but must be boolean"):
        chance_jaccard(masks, numbers)
