"""Random chains of random layers, as networks that a user might write, against autograd."""

from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU)
MOST_LAYERS = 6


@st.composite
def networks(draw: Any) -> tuple[nn.Sequential, tuple[int, ...], int]:
    """Draw a network, the shape of its inputs and the number of its outputs."""
    layers: list[nn.Module] = []
    size = st.integers(1, 9)
    image = draw(st.booleans())
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 12)), draw(st.integers(1, 12)))
    start: tuple[int, ...] = shape if image else (draw(st.integers(1, 40)),)
    features = start[0]
    for _ in range(draw(st.integers(0, MOST_LAYERS))):
        kind = draw(st.sampled_from(["window", "activation", "linear"]))
        if kind == "activation":
            layers.append(draw(st.sampled_from(ACTIVATIONS))())
        elif image and kind == "window":
            layer, shape = draw(windows(shape))
            layers.append(layer)
        elif kind == "linear":
            if image:
                layers.append(nn.Flatten())
                features, image = shape[0] * shape[1] * shape[2], False
            outputs = draw(size)
            layers.append(nn.Linear(features, outputs, bias=draw(st.booleans())))
            features = outputs
    if image:
        layers.append(nn.Flatten())
        features = shape[0] * shape[1] * shape[2]
    outputs = draw(st.integers(2, 12))
    layers.append(nn.Linear(features, outputs))
    return nn.Sequential(*layers), start, outputs


@st.composite
def windows(draw: Any, shape: tuple[int, int, int]) -> tuple[nn.Module, tuple[int, int, int]]:
    """Draw a convolution or a pooling that fits its input, and the shape of its output."""
    kind = draw(st.sampled_from(["convolution", "max", "average"]))
    padding = (0, 0)
    if kind == "convolution":
        padding = (draw(st.integers(0, 3)), draw(st.integers(0, 3)))
    room = [size + 2 * pad for size, pad in zip(shape[1:], padding, strict=True)]
    kernel = (draw(st.integers(1, min(7, room[0]))), draw(st.integers(1, min(7, room[1]))))
    stride = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    rows, columns = (
        (size - window) // step + 1 for size, window, step in zip(room, kernel, stride, strict=True)
    )
    if kind != "convolution":
        pool = nn.MaxPool2d if kind == "max" else nn.AvgPool2d
        return pool(kernel, stride), (shape[0], rows, columns)
    channels = draw(st.integers(1, 7))
    bias = draw(st.booleans())
    layer = nn.Conv2d(shape[0], channels, kernel, stride, padding, bias=bias)
    return layer, (channels, rows, columns)


@settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    drawn=networks(),
    batch=st.integers(1, 40),
    loss=st.sampled_from(["cross_entropy", "mse"]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 1000),
)
def test_random_chains(
    variant: str,
    problem: Any,
    noise: Any,
    classes: Any,
    drawn: Any,
    batch: int,
    loss: str,
    dtype: torch.dtype,
    seed: int,
) -> None:
    module, shape, outputs = drawn
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(
                noise(*parameter.shape, seed=seed) / max(1, parameter[0].numel()) ** 0.5
            )
    targets = classes(batch, outputs) if loss == "cross_entropy" else noise(batch, outputs, seed=7)
    # In single precision PyTorch's own product of one sample through one layer errs by 2e-5 in one
    # case of two hundred.
    small = dtype == torch.float32 and batch < 8
    problem(module, noise(batch, *shape, seed=seed), targets, loss).check(
        dtype, variant, cancellation=5.0 if small else 1.0
    )
