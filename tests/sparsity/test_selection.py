"""Exactly so many of the largest, the first of equals."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from thalweg.cohort import Layout
from thalweg.errors import InputError
from thalweg.sparsity.options import SparsityOptions
from thalweg.sparsity.scope import columns
from thalweg.sparsity.selection import largest


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=30), st.data())
def test_exactly_so_many_and_the_first_of_equals(scores: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(scores)))
    found = largest(torch.tensor(scores), count).numpy()
    order = np.argsort(-np.array(scores), kind="stable")
    expected = np.zeros(len(scores), dtype=bool)
    expected[order[:count]] = True
    assert np.array_equal(found, expected)


def test_scope() -> None:
    layout = Layout(("a.weight", "a.bias", "b.weight"), ((2, 3), (2,), (4,)))
    assert columns(layout, ["*.weight"]).tolist() == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]
    assert columns(layout, ["b.*", "a.bias", "b.weight"]).tolist() == [6, 7, 8, 9, 10, 11]
    with pytest.raises(InputError, match=r"'fc\*' matches none of a.weight, a.bias, b.weight"):
        columns(layout, ["a.*", "fc*"])


def test_counts_are_of_the_decimal_fraction() -> None:
    assert SparsityOptions(keep=0.6).count(40_800) == 24_480
    assert SparsityOptions(keep=0.05).count(40_800) == 2_040
    assert SparsityOptions(keep=0.3).count(7) == 2
