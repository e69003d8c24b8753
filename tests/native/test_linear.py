"""Linear layers of every odd size against autograd."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

SIZES = [1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 33, 65]


@pytest.mark.parametrize("inputs", SIZES)
@pytest.mark.parametrize("bias", [True, False])
def test_sizes(
    inputs: int,
    bias: bool,
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    noise: Any,
    classes: Any,
) -> None:
    for outputs in SIZES:
        module = nn.Sequential(
            nn.Linear(3, inputs, bias), nn.Tanh(), nn.Linear(inputs, outputs, bias)
        )
        problem(module, noise(6, 3), noise(6, outputs), "mse").check(dtype, variant)


@pytest.mark.parametrize("widths", [(1, 1), (1, 9), (9, 1), (784, 10), (5, 1, 1, 4)], ids=str)
def test_first_layers(
    widths: tuple[int, ...],
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    noise: Any,
) -> None:
    """With no layer before it no gradient of the inputs is formed."""
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    module = nn.Sequential(*layers)
    problem(module, noise(19, widths[0]), noise(19, widths[-1], seed=4), "mse").check(
        dtype, variant
    )


def test_deep(dtype: torch.dtype, variant: str, problem: Any, noise: Any, classes: Any) -> None:
    layers = [layer for n in range(3, 12) for layer in (nn.Linear(n, n + 1), nn.Tanh())]
    problem(nn.Sequential(*layers), noise(40, 3), classes(40, 12)).check(dtype, variant)
