"""The layers a chain may have, as the compiled library reads them."""

import math
from dataclasses import dataclass, replace

KINDS = ("convolution", "max_pool", "average_pool", "linear", "activation", "recurrent")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        kind: One of `KINDS`.
        input: Shape of a sample's input, (channels, rows, columns).
        output: Shape of a sample's output; a vector is (n, 1, 1).
        kernel: Rows and columns of a window.
        stride: Its step.
        padding: Zeros around the input.
        activation: One of `ACTIVATIONS`, for activations and recurrent layers.
        hidden: Units of a recurrent layer.
        depth: Layers of a recurrent network.
        weight: Offset of the weights (of all parameters, for a recurrent layer) within a row.
        bias: Offset of the biases; −1 for none.
    """

    kind: str
    input: Shape
    output: Shape
    kernel: tuple[int, int] = (0, 0)
    stride: tuple[int, int] = (0, 0)
    padding: tuple[int, int] = (0, 0)
    activation: str = "relu"
    hidden: int = 0
    depth: int = 0
    weight: int = 0
    bias: int = -1

    @property
    def products(self) -> int:
        """Products of weights that one sample takes forward."""
        if self.kind == "convolution":
            return math.prod(self.output) * self.input[0] * math.prod(self.kernel)
        if self.kind == "linear":
            return math.prod(self.input) * math.prod(self.output)
        if self.kind == "recurrent":
            return self._recurrent_products(1, 1)
        return 0

    def gradient_products(self, for_inputs: bool) -> int:
        """Return the products that the loss and its gradient take for one sample.

        Args:
            for_inputs: The gradient with respect to the layer's inputs is wanted too.
        """
        passes = 3 if for_inputs else 2
        if self.kind == "recurrent":
            # Nothing asks for the gradient of the initial state, of a step of each level.
            return self._recurrent_products(passes, 3) - self.depth * self.hidden**2
        return passes * self.products

    def _recurrent_products(self, from_inputs: int, others: int) -> int:
        _, steps, columns = self.input
        inner = (2 * self.depth - 1) * self.hidden**2
        return steps * (from_inputs * columns * self.hidden + others * inner)

    def encoded(self) -> list[int]:
        """Return the fields in the order of ``struct Layer`` in description.hpp."""
        return [
            KINDS.index(self.kind),
            *self.input,
            *self.output,
            *self.kernel,
            *self.stride,
            *self.padding,
            ACTIVATIONS.index(self.activation),
            self.hidden,
            self.depth,
            self.weight,
            self.bias,
        ]


def flat(shape: Shape) -> Shape:
    """Return the shape of the same activations as a vector."""
    return (math.prod(shape), 1, 1)


def window_output(
    channels: int,
    shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int] = (0, 0),
) -> Shape:
    """Return the output shape of a convolution or pooling."""
    rows, columns = (
        (size + 2 * pad - window) // step + 1
        for size, pad, window, step in zip(shape[1:], padding, kernel, stride, strict=True)
    )
    return (channels, rows, columns)


def activation(kind: str, shape: Shape) -> Layer:
    return Layer("activation", shape, shape, activation=kind)


def with_offsets(layer: Layer, weight: int, bias: int = -1) -> Layer:
    return replace(layer, weight=weight, bias=bias)
