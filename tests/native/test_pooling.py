"""Max and average pooling against autograd, ties among them."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from thalweg.native import Kernel, SampleTensors, recognize

WINDOWS = [
    *[((2, 2), None), ((3, 3), (3, 3)), ((2, 3), (2, 3)), ((1, 1), (1, 1)), ((4, 1), (4, 1))],
    *[((3, 3), (1, 1)), ((3, 3), (2, 2)), ((2, 4), (1, 3)), ((5, 2), (2, 1))],  # overlapping
    *[((1, 1), (2, 2)), ((2, 2), (3, 3)), ((1, 2), (3, 1)), ((2, 1), (5, 4))],  # with gaps
]
POOLS = [nn.MaxPool2d, nn.AvgPool2d]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize(("kernel", "stride"), WINDOWS, ids=str)
def test_windows(
    pool: Any,
    kernel: tuple[int, int],
    stride: tuple[int, int] | None,
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    noise: Any,
    classes: Any,
) -> None:
    for rows, columns in [(kernel[0], kernel[1]), (6, 8), (7, 9), (11, 5)]:
        module = nn.Sequential(
            nn.Conv2d(1, 3, 1), nn.Tanh(), pool(kernel, stride), nn.Flatten(), nn.LazyLinear(4)
        )
        x = noise(18, 1, rows, columns)
        module(x.float())
        problem(module, x, classes(18, 4)).check(dtype, variant)


@pytest.mark.parametrize("pool", POOLS)
def test_pooling_first_and_last(
    pool: Any, dtype: torch.dtype, variant: str, problem: Any, noise: Any, classes: Any
) -> None:
    """On the inputs themselves, twice in a row, and as the last layer."""
    x, y = noise(7, 2, 9, 8), classes(7, 3)
    first = nn.Sequential(pool(2), pool((3, 2), 1), nn.Flatten(), nn.Linear(12, 3))
    problem(first, x, y).check(dtype, variant)
    last = nn.Sequential(nn.Conv2d(2, 3, 3), pool((7, 6)), nn.Flatten())
    problem(last, x, y).check(dtype, variant)


def exact(module: nn.Module) -> nn.Module:
    """Give a network weights that are multiples of 1/8, so that sums of small whole inputs are
    exact in any order and equal windows stay equal.
    """
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randint(-8, 9, parameter.shape) / 8)
    return module


def images(background: float) -> Tensor:
    """Whole-numbered strokes on a constant background, as in scanned digits."""
    generator = torch.Generator().manual_seed(5)
    x = torch.full((20, 1, 12, 12), background, dtype=torch.float64)
    x[:, :, 4:7, 4:9] = torch.randint(0, 4, (20, 1, 3, 5), generator=generator).double()
    return x


@pytest.mark.parametrize("background", [0.0, -2.0, 3.0])
@pytest.mark.parametrize("window", [(2, None), (3, 1), (3, 2), (2, 3)], ids=str)
@pytest.mark.parametrize("pool", POOLS)
def test_ties(
    pool: Any,
    window: tuple[int, int | None],
    background: float,
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    classes: Any,
) -> None:
    """Of equal maxima the first, row by row, gets the gradient, as in PyTorch."""
    first = exact(nn.Sequential(nn.Conv2d(1, 3, 3), pool(*window), nn.ReLU(), nn.Conv2d(3, 2, 2)))
    module = nn.Sequential(first, pool(2, 1), nn.Flatten(), nn.LazyLinear(5))
    x = images(background)
    module(x.float())
    # One row: perturbed weights would not be exact.
    problem(module, x, classes(20, 5), rows=1).check(dtype, variant)


def test_equal_windows(dtype: torch.dtype, variant: str, problem: Any, classes: Any) -> None:
    """Weights of zero: every window is constant."""
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(48, 5))
    with torch.no_grad():
        module[0].weight.zero_()
    problem(module, images(0.0), classes(20, 5), rows=1).check(dtype, variant)


def test_infinite_maxima(dtype: torch.dtype, variant: str) -> None:
    """Windows that hold −∞ alone, or ±∞ beside numbers."""
    x = torch.tensor([[-1, -1, 1, 2], [-1, -1, -1, 3.0]]).double()
    x[x == -1], x[x == 3] = -torch.inf, torch.inf
    layers = recognize(nn.Sequential(nn.MaxPool2d(2), nn.Flatten()), (1, 2, 4), {})
    kernel, samples = (
        Kernel(layers, "mse", variant=variant),
        SampleTensors(x[None, None], torch.zeros(1, 2)),
    )
    outputs = kernel.outputs(torch.zeros(1, 0, dtype=dtype), samples, torch.arange(1))
    assert outputs.tolist() == [[[-torch.inf, torch.inf]]]
