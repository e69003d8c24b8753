"""Convolutions right under a max pool, whose weight gradient leaves out what the pool blocks."""

from typing import Any

import pytest
import torch
from tests.native.test_pooling import exact
from torch import nn

from thalweg.cohort.layout import Layout
from thalweg.native import recognize

KERNELS = [(3, {}), (3, {"padding": 1}), (5, {}), (5, {"padding": 2, "stride": 2})]
POOLS = [(2, 2), (3, 3), (3, 2), ((2, 3), (3, 2))]


@pytest.mark.parametrize(("kernel", "options"), KERNELS, ids=str)
@pytest.mark.parametrize(("window", "stride"), POOLS, ids=str)
def test_gradient_and_product(
    kernel: int,
    options: dict[str, int],
    window: Any,
    stride: Any,
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    noise: Any,
    classes: Any,
) -> None:
    """One convolution with few channels and one with more than a tile, no bias on the first."""
    module = nn.Sequential(
        nn.Conv2d(2, 3, kernel, bias=False, **options),
        nn.MaxPool2d(window, stride),
        nn.ReLU(),
        nn.Conv2d(3, 7, 3, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.LazyLinear(4),
    )
    x = noise(19, 2, 20, 17)
    module(x.float())
    problem(module, x, classes(19, 4)).check(dtype, variant)


@pytest.mark.parametrize("rectified_first", [True, False])
@pytest.mark.parametrize("kernel", [3, 5])
def test_ties_and_dead_windows(
    kernel: int,
    rectified_first: bool,
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    classes: Any,
) -> None:
    """Uniform images tie everywhere; a window below zero everywhere passes nothing."""
    between = [nn.ReLU(), nn.MaxPool2d(2)] if rectified_first else [nn.MaxPool2d(2), nn.ReLU()]
    module = nn.Sequential(nn.Conv2d(1, 6, kernel), *between, nn.Flatten(), nn.LazyLinear(3))
    x = torch.zeros(21, 1, 12, 12, dtype=torch.float64)
    x[5:] += torch.randint(0, 2, (16, 1, 12, 12))
    module(x.float())
    problem(exact(module), x, classes(21, 3)).check(dtype, variant)


def test_relu_moves_behind_a_max_pool_and_nothing_else_does() -> None:
    def kinds(*between: nn.Module) -> list[str]:
        module = nn.Sequential(nn.Conv2d(1, 2, 3), *between, nn.Flatten(), nn.Linear(8, 3))
        return [
            layer.kind for layer in recognize(module, (1, 6, 6), Layout.of(module).slices).layers
        ]

    rest = ["activation", "linear"]
    assert kinds(nn.ReLU(), nn.MaxPool2d(2)) == ["convolution", "max_pool", *rest]
    assert kinds(nn.ReLU(), nn.MaxPool2d(1), nn.MaxPool2d(2)) == [
        *["convolution", "max_pool", "max_pool"],
        *rest,
    ]
    assert kinds(nn.Tanh(), nn.MaxPool2d(2)) == ["convolution", "activation", "max_pool", "linear"]
    assert kinds(nn.ReLU(), nn.AvgPool2d(2))[1:3] == ["activation", "average_pool"]
