"""A multilayer perceptron."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import gelu, relu

from thalweg.validation import Options

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": gelu,
}


class MLPOptions(Options):
    """``widths``: units of each hidden layer; ``activation``: what follows each of them."""

    widths: list[Annotated[int, Field(ge=1)]] = Field(default=[256, 128], min_length=1)
    activation: Literal["relu", "tanh", "sigmoid", "gelu"] = "relu"


class MLP(nn.Module):
    """Linear layers ``layers.0``, ``layers.1``, ... with an activation between each two.

    Args:
        widths: Units of every layer, the flattened input first and the outputs last.
        activation: A key of `ACTIVATIONS`.
    """

    def __init__(self, widths: list[int], activation: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairwise(widths)
        )
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        activate = ACTIVATIONS[self.activation]
        *hidden, last = self.layers
        x = x.flatten(1)
        for layer in hidden:
            x = activate(layer(x))
        out: Tensor = last(x)
        return out


def mlp(options: MLPOptions, shape: tuple[int, ...], outputs: int) -> nn.Module:
    return MLP([math.prod(shape), *options.widths, outputs], options.activation)
