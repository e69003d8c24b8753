"""Controls differ from the mask they control, and are as sparse."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from thalweg.sparsity import random_like, shuffle_global, shuffle_layerwise

masks_of_any_shape = st.lists(
    st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=4
).map(lambda rows: {f"layer{i}": torch.tensor(row) for i, row in enumerate(rows)})


def counts(masks: dict[str, Tensor]) -> list[int]:
    return [int(m.sum()) for m in masks.values()]


def constant(mask: Tensor) -> bool:
    return bool(mask.all()) or not bool(mask.any())


@settings(deadline=None)
@given(masks_of_any_shape, st.integers(0, 3))
def test_layers_keep_their_numbers_and_change(masks: dict[str, Tensor], seed: int) -> None:
    for control in (shuffle_layerwise, random_like):
        found = control(masks, seed)
        assert counts(found) == counts(masks)
        for name, mask in masks.items():
            assert torch.equal(found[name], mask) == constant(mask)
            assert torch.equal(found[name], control(masks, seed)[name])


@settings(deadline=None)
@given(masks_of_any_shape, st.integers(0, 3))
def test_all_keep_their_number_and_change(masks: dict[str, Tensor], seed: int) -> None:
    found = shuffle_global(masks, seed)
    assert sum(counts(found)) == sum(counts(masks))
    assert all(found[n].shape == m.shape and found[n].dtype == m.dtype for n, m in masks.items())
    flat = torch.cat(list(masks.values()))
    assert torch.equal(torch.cat(list(found.values())), flat) == constant(flat)


@pytest.mark.parametrize("control", [shuffle_layerwise, shuffle_global, random_like])
def test_every_other_mask_is_as_likely(control: object) -> None:
    """Of the 6 masks with 2 of 4 weights the 5 others come up alike: χ² with 4 degrees, 0.1 %."""
    mask = torch.tensor([[True, True], [False, False]])
    assert callable(control)
    seen = Counter(tuple(control({"w": mask}, seed)["w"].flatten().tolist()) for seed in range(500))
    assert len(seen) == 5
    assert sum((n - 100) ** 2 / 100 for n in seen.values()) < 18.5


def test_layers_are_moved_between() -> None:
    masks = {"a": torch.ones(50, dtype=torch.bool), "b": torch.zeros(50, dtype=torch.bool)}
    found = shuffle_global(masks, 0)
    assert 10 < int(found["a"].sum()) < 40
    assert torch.equal(masks["a"], torch.ones(50, dtype=torch.bool))


def test_seeds_and_layers_draw_their_own() -> None:
    mask = torch.arange(64).view(8, 8) % 4 == 0
    found = shuffle_layerwise({"a": mask, "b": mask}, 0)
    assert found["a"].shape == (8, 8)
    assert not torch.equal(found["a"], found["b"])
    assert not torch.equal(found["a"], shuffle_layerwise({"a": mask}, 1)["a"])
