"""Convolutions of every kernel, stride and padding against autograd."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

KERNELS = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (7, 7), (1, 5), (3, 2), (5, 3), (7, 1), (2, 8)]
STRIDES = [(1, 1), (2, 2), (3, 3), (1, 2), (3, 1)]
PADDINGS = [(0, 0), (1, 1), (2, 2), (3, 3), (2, 0), (0, 1)]


def input_size(kernel: int, stride: int, padding: int, outputs: int, left_over: int) -> int:
    """Return an input size that gives so many outputs; the last ``left_over`` are not reached."""
    size = kernel - 2 * padding + stride * (outputs - 1) + min(left_over, stride - 1)
    while size < 1:
        size += stride
    return size


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_kernels(
    kernel: tuple[int, int],
    dtype: torch.dtype,
    variant: str,
    problem: Any,
    noise: Any,
    classes: Any,
) -> None:
    for case, (stride, padding) in enumerate(product(STRIDES, PADDINGS)):
        rows, columns = (
            input_size(kernel[i], stride[i], padding[i], outputs=1 + (case + i) % 3, left_over=case)
            for i in range(2)
        )
        inside, outside, bias = 1 + case % 13, 1 + 5 * case % 13, case % 2 == 0
        # The first layer makes the second pass a gradient back to its input.
        first = nn.Conv2d(2, inside, 1, bias=not bias)
        second = nn.Conv2d(inside, outside, kernel, stride, padding, bias=bias)
        module = nn.Sequential(first, nn.Tanh(), second, nn.Flatten())
        x, y = noise(5 + case, 2, rows, columns), classes(5 + case, outside)
        problem(module, x, y).check(dtype, variant)


@pytest.mark.parametrize("channels", range(1, 14))
def test_channels(
    channels: int, dtype: torch.dtype, variant: str, problem: Any, noise: Any, classes: Any
) -> None:
    """Whatever the number of channels leaves over of a register tile."""
    for outputs in range(1, 14):
        module = nn.Sequential(
            nn.Conv2d(1, channels, 2), nn.Sigmoid(), nn.Conv2d(channels, outputs, 3), nn.Flatten()
        )
        x, y = noise(3, 1, 4, 5), classes(3, outputs)
        problem(module, x, y).check(dtype, variant)


@pytest.mark.parametrize("bias", [True, False])
def test_single_pixels(
    bias: bool, dtype: torch.dtype, variant: str, problem: Any, noise: Any, classes: Any
) -> None:
    """Inputs and outputs of one pixel; the kernel as large as its input; nothing but padding."""
    for kernel, side, padding in [(1, 1, 0), (3, 1, 1), (5, 5, 0), (2, 1, 3), (7, 1, 3)]:
        module = nn.Sequential(nn.Conv2d(3, 4, kernel, 7, padding, bias=bias), nn.Flatten())
        problem(module, noise(17, 3, side, side), classes(17, 4)).check(dtype, variant)


def test_many_convolutions(
    dtype: torch.dtype, variant: str, problem: Any, noise: Any, classes: Any
) -> None:
    layers = [nn.Conv2d(1, 3, 3, 1, 1), nn.Tanh(), nn.Conv2d(3, 5, 5, 2, 2), nn.Tanh()]
    layers += [nn.Conv2d(5, 7, 3, (2, 1), (1, 0)), nn.GELU(), nn.Conv2d(7, 2, (3, 2))]
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(2 * 1 * 3, 10))
    problem(module, noise(33, 1, 11, 12), classes(33, 10)).check(dtype, variant)
