"""Exactly so many of the largest, the first of equals."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from thalweg.cohort import Layout
from thalweg.errors import InputError
from thalweg.sparsity.allocation.counting import kept
from thalweg.sparsity.options import SparsityOptions
from thalweg.sparsity.selection import largest


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=30), st.data())
def test_exactly_so_many_and_the_first_of_equals(scores: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(scores)))
    found = largest(torch.tensor(scores), count).numpy()
    order = np.argsort(-np.array(scores), kind="stable")
    expected = np.zeros(len(scores), dtype=bool)
    expected[order[:count]] = True
    assert np.array_equal(found, expected)


def test_frozen_parameters_are_not_chosen() -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    module[0].requires_grad_(False)
    options = SparsityOptions(keep=0.5)
    assert options.names(module) == ["1.weight"]
    assert Layout.of(module).columns(options.names(module)).tolist() == [0, 1]
    with pytest.raises(InputError, match=r"^sparsity.parameters: 'fc\*' matches none of 0.weight"):
        SparsityOptions(keep=0.5, parameters=["fc*"]).names(module)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_kinds_of_numbers(dtype: torch.dtype) -> None:
    scores = torch.tensor([1.0, 3.0, -2.0, 3.0, torch.inf], dtype=dtype, requires_grad=True)
    assert largest(scores, 2).tolist() == [False, True, False, False, True]


def test_counts_are_of_the_decimal_fraction() -> None:
    assert kept(0.6, 40_800) == 24_480
    assert kept(0.05, 40_800) == 2_040
    assert kept(0.3, 7) == 2
