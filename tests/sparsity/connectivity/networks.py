"""Small networks under random masks, shared by the tests of this folder."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.models import build_model


def convolutional(padding: int = 0, bias: bool = True) -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(2, 5, 3, bias=bias), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(5, 6, 2, padding=padding, bias=bias), nn.Sigmoid(), nn.Flatten()),
        *(nn.Linear(6 * (2 + 2 * padding) ** 2, 7, bias=bias), nn.Tanh()),
        nn.Linear(7, 3, bias=bias),
    )


def model(name: str, shape: tuple[int, ...], **options: Any) -> nn.Module:
    return build_model(name, options, shape, 10, 0, None)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "lenet5": (lambda: model("lenet5", (1, 28, 28)), (1, 28, 28)),
    "lenet5-tanh": (lambda: model("lenet5-tanh", (1, 28, 28)), (1, 28, 28)),
    "mlp": (lambda: model("mlp", (1, 8, 8), widths=[12, 9], activation="tanh"), (1, 8, 8)),
    "sigmoid": (lambda: model("mlp", (7,), widths=[8, 8, 8], activation="sigmoid"), (7,)),
    "rnn": (lambda: model("rnn", (1, 28, 8), hidden=12, layers=3), (1, 28, 8)),
    "rnn-relu": (
        lambda: model("rnn", (1, 28, 8), hidden=8, layers=2, nonlinearity="relu"),
        (1, 28, 8),
    ),
    "convolutional": (convolutional, (2, 9, 9)),
    "padded": (lambda: convolutional(padding=1), (2, 9, 9)),
    "without biases": (lambda: convolutional(bias=False), (2, 9, 9)),
    "only convolutions": (
        lambda: nn.Sequential(
            *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.GELU(), nn.Flatten())
        ),
        (1, 5, 5),
    ),
}
"""How to make each, and the shape of one input."""


def random_masks(module: nn.Module, keep: float, seed: int) -> dict[str, Tensor]:
    """Masks of the weights that keep each with some probability, and leave some units nothing."""
    generator = torch.Generator().manual_seed(seed)
    masks = {}
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            mask = torch.rand(parameter.shape, generator=generator) < keep
            mask[torch.rand(len(mask), generator=generator) < 0.2] = False
            mask[:, torch.rand(mask.shape[1], generator=generator) < 0.1] = False
            masks[name] = mask
    return masks


def masked(name: str, keep: float, seed: int) -> tuple[nn.Module, tuple[int, ...]]:
    """A network in double precision with random biases, zero outside random masks."""
    make, shape = NETWORKS[name]
    module = make().double().eval()
    generator = torch.Generator().manual_seed(seed)
    masks = random_masks(module, keep, seed)
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            if key in masks:
                parameter.masked_fill_(~masks[key], 0)
            else:
                parameter.normal_(generator=generator)
    return module, shape
