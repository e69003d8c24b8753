"""A network of PyTorch's own layers, built from a plain list of their sizes."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn


class Smaller(nn.Sequential):
    """Layers one after the other.

    Args:
        sizes: One table a layer, plain values fit for JSON: ``kind`` and the layer's own sizes,
            as in ``{"kind": "linear", "inputs": 12, "outputs": 10, "bias": True}``.
    """

    def __init__(self, sizes: Sequence[dict[str, Any]]) -> None:
        super().__init__(*(_build(**size) for size in sizes))
        self.sizes = list(sizes)


class Rows(nn.Module):
    """An image ``(B, C, H, W)`` as a sequence of its rows, ``(B, H, C·W)``."""

    def forward(self, image: Tensor) -> Tensor:
        return image.transpose(1, 2).flatten(2)


class States(nn.RNN):
    """One recurrent layer; returns its states at all steps, ``(B, steps, hidden)``."""

    def forward(self, sequence: Tensor) -> Tensor:  # type: ignore[override]
        states: Tensor = super().forward(sequence)[0]
        return states


class LastStep(nn.Module):
    """The last step of a sequence ``(B, steps, features)``."""

    def forward(self, sequence: Tensor) -> Tensor:
        return sequence[:, -1]


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
}
PLAIN: dict[str, type[nn.Module]] = {
    **ACTIVATIONS,
    "flatten": nn.Flatten,
    "rows": Rows,
    "last_step": LastStep,
}
POOLS = {"max_pool": nn.MaxPool2d, "average_pool": nn.AvgPool2d}


def _build(
    kind: str,
    inputs: int = 0,
    outputs: int = 0,
    kernel: Sequence[int] = (1, 1),
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    bias: bool = True,
    activation: str = "",
) -> nn.Module:
    if kind in PLAIN:
        return PLAIN[kind]()
    if kind in POOLS:
        return POOLS[kind](_pair(kernel), _pair(stride))
    if kind == "linear":
        return nn.Linear(inputs, outputs, bias)
    if kind == "recurrent":
        return States(inputs, outputs, nonlinearity=activation, batch_first=True)
    window = (_pair(kernel), _pair(stride), _pair(padding))
    return nn.Conv2d(inputs, outputs, *window, bias=bias)


def _pair(values: Sequence[int]) -> tuple[int, int]:
    rows, columns = values
    return rows, columns
