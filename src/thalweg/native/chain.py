"""Recognise a chain of known layers in a module, whoever wrote it.

The module is traced by ``torch.fx``; a module of this package that says what it is made of
(`thalweg.models.rnn.RowRNN`) is taken at its word. What is not recognised is left to autograd, and
the reason names the layer that stopped it.
"""

import copy
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import fx, nn

from thalweg.models.lenet5 import channels_last
from thalweg.models.rnn import RowRNN
from thalweg.native.layers import Layer, Shape, activation, flat, window_output


class Unsupported(Exception):  # noqa: N818  # it is an answer, not an error
    """The network is no chain of known layers; the message says what stopped it."""


@dataclass(frozen=True)
class Chain:
    """A network the compiled library can run.

    Attributes:
        layers: In order.
        parameters: D, the length of a row.
    """

    layers: tuple[Layer, ...]
    parameters: int

    @property
    def outputs(self) -> int:
        """Length of the output vector."""
        return math.prod(self.layers[-1].output)


def recognize(module: nn.Module, shape: tuple[int, ...], slices: Mapping[str, slice]) -> Chain:
    """Return the chain of layers a module computes.

    Args:
        module: The network.
        shape: Shape of one input.
        slices: Columns of each trainable parameter within a row.

    Raises:
        Unsupported: It is no such chain.
    """
    _refuse_hooks(module)
    module = copy.deepcopy(module)  # tracing runs the forward pass, which may change the module
    parameters = max((columns.stop for columns in slices.values()), default=0)
    names = {id(parameter): name for name, parameter in module.named_parameters()}

    def offset(parameter: Any) -> int:
        if parameter is None:
            return -1
        name = names.get(id(parameter))
        if name is None:
            raise Unsupported("a layer computes its parameters from others")
        if name not in slices:
            raise Unsupported(f"parameter {name!r} is frozen")
        start: int = slices[name].start
        return start

    if type(module) is RowRNN:
        return Chain(tuple(_recurrent(module, shape, offset)), parameters)
    with torch.random.fork_rng(devices=[]):
        layers = _traced(module.train(), shape, offset)
        same = layers == _traced(module.eval(), shape, offset)
    if not same:
        raise Unsupported("it computes something else in evaluation than in training")
    return Chain(tuple(_pooled_first(layers)), parameters)


def _pooled_first(layers: list[Layer]) -> list[Layer]:
    """Return the layers with every ReLU that precedes a max pool moved behind it.

    ReLU is monotone, so outputs are the same to the bit, and so are gradients: of equal maxima
    both orders pick the first, or pass nothing because none is positive. Behind the pool it has
    fewer elements, and the pool lies right on its convolution, whose kernels make use of that.
    """
    moved = list(layers)
    for k in range(len(moved) - 1):
        first, then = moved[k], moved[k + 1]
        if (first.kind, first.activation, then.kind) == ("activation", "relu", "max_pool"):
            moved[k : k + 2] = [then, activation("relu", then.output)]
    return moved


def _refuse_hooks(module: nn.Module) -> None:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    for name, part in module.named_modules():
        if any(getattr(part, kind) for kind in kinds):
            raise Unsupported(f"module {name!r} has hooks" if name else "it has hooks")


Offset = Callable[[Any], int]
"""From a parameter, or None, to where it starts within a row, or −1."""


def _recurrent(module: RowRNN, shape: tuple[int, ...], offset: Offset) -> list[Layer]:
    if len(shape) != 3 or shape[0] != 1:
        raise Unsupported("a recurrent layer reads images of one channel only")
    rnn, fc = module.rnn, module.fc
    first = offset(rnn.weight_ih_l0)
    expected = first
    for _, parameter in rnn.named_parameters():
        if offset(parameter) != expected:
            raise Unsupported("the recurrent parameters do not lie end to end")
        expected += parameter.numel()
    image = (1, shape[1], shape[2])
    state = (rnn.hidden_size, 1, 1)
    recurrent = Layer(
        "recurrent",
        image,
        state,
        activation=rnn.nonlinearity,
        hidden=rnn.hidden_size,
        depth=rnn.num_layers,
        weight=first,
    )
    last = Layer(
        "linear", state, (fc.out_features, 1, 1), weight=offset(fc.weight), bias=offset(fc.bias)
    )
    return [recurrent, last]


class _Tracer(fx.Tracer):
    """Traces into the user's modules and stops at PyTorch's own."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=(channels_last,))

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m).__module__.startswith("torch.nn.") and not isinstance(m, nn.Sequential)


def _traced(module: nn.Module, shape: tuple[int, ...], offset: Offset) -> list[Layer]:
    if len(shape) not in (1, 3):
        raise Unsupported(f"inputs of shape {shape} are neither vectors nor images")
    try:
        graph = _Tracer().trace(module)
    except Exception as error:  # data-dependent control flow, or whatever tracing meets
        reason = str(error).strip().partition("\n")[0]
        raise Unsupported(f"it cannot be traced ({reason[:120]})") from error
    walk = _Walk(module, shape, offset)
    for node in graph.nodes:
        walk.visit(node)
    if not walk.layers or not walk.vector:
        raise Unsupported("its output is no vector")
    return walk.layers


class _Walk:
    """Follows a traced graph from its input to its output, one layer after the other."""

    def __init__(self, module: nn.Module, shape: tuple[int, ...], offset: Offset) -> None:
        self.layers: list[Layer] = []
        self._module = module
        self._offset = offset
        self.vector = len(shape) == 1
        self._shape: Shape = (shape[0], 1, 1) if len(shape) == 1 else (shape[0], shape[1], shape[2])
        self._at: fx.Node | None = None
        self._sizes: set[fx.Node] = set()
        self._used: set[int] = set()

    def visit(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            if self._at is not None:
                raise Unsupported("it takes more than one input")
            self._at = node
            return
        if node.op == "output":
            if node.args[0] is not self._at:
                raise Unsupported("it returns something else than the last layer's output")
            return
        if self._is_batch_size(node):
            self._sizes.add(node)
            return
        if node.op == "get_attr" or not node.args or node.args[0] is not self._at:
            raise Unsupported(f"{_describe(node)} is not one layer after the other")
        if node.op == "call_module":
            self._module_layer(self._module.get_submodule(str(node.target)), node)
        else:
            self._function_layer(node)
        self._at = node

    def _is_batch_size(self, node: Any) -> bool:
        """``x.size(0)``, ``x.shape`` and ``x.shape[0]`` only serve a reshape."""
        if node.kwargs:
            return False
        if node.op == "call_method" and node.target == "size":
            return node.args[0] is self._at and node.args[1:] in ((0,), ())
        if node.op == "call_function" and node.target is getattr:
            return node.args[0] is self._at and node.args[1:] == ("shape",)
        if node.op == "call_function" and node.target is operator.getitem:
            return node.args[0] in self._sizes and node.args[1] == 0
        return False

    def _add(self, layer: Layer, node: fx.Node) -> None:
        if min(layer.output) < 1:
            raise Unsupported(f"{_describe(node)}: its window does not fit its input")
        if layer.kind in ("convolution", "linear"):
            if layer.weight in self._used:
                raise Unsupported(f"{_describe(node)} has weights that are used twice")
            self._used.add(layer.weight)
        self.layers.append(layer)
        self._shape = layer.output

    def _flatten(self) -> None:
        self._shape, self.vector = flat(self._shape), True

    def _module_layer(self, layer: Any, node: fx.Node) -> None:
        kind = type(layer)
        if len(node.args) != 1 or node.kwargs:
            raise Unsupported(f"{_describe(node)} takes more than its input")
        if kind is nn.Conv2d:
            self._convolution(layer, node)
        elif kind is nn.Linear:
            self._linear(layer, node)
        elif kind is nn.MaxPool2d:
            plain = _pair(layer.padding) == (0, 0) and _pair(layer.dilation) == (1, 1)
            if not plain or layer.ceil_mode or layer.return_indices:
                raise Unsupported(f"{_describe(node)}: padding, dilation or ceil_mode")
            self._pool("max_pool", layer.kernel_size, layer.stride, node)
        elif kind is nn.AvgPool2d:
            if _pair(layer.padding) != (0, 0) or layer.ceil_mode or layer.divisor_override:
                raise Unsupported(f"{_describe(node)}: padding, ceil_mode or divisor_override")
            self._pool("average_pool", layer.kernel_size, layer.stride, node)
        elif kind in MODULES:
            if kind is nn.GELU and layer.approximate != "none":
                raise Unsupported(f"{_describe(node)}: approximate GELU")
            self._add(activation(MODULES[kind], self._shape), node)
        elif kind is nn.Flatten and [layer.start_dim, layer.end_dim] == [1, -1]:
            self._flatten()
        elif kind is not nn.Identity:
            raise Unsupported(f"{_describe(node)} is no layer the kernels know")

    def _function_layer(self, node: fx.Node) -> None:
        target: Any = node.target
        name = target if node.op == "call_method" else getattr(target, "__name__", "")
        options = [*node.args[1:], *node.kwargs.values()]
        if target is channels_last or (name in ("contiguous", "float") and not options):
            return
        flattening = name in ("view", "reshape") and self._is_flattening(options)
        ends = dict(zip(("start_dim", "end_dim"), node.args[1:], strict=False)) | dict(node.kwargs)
        if flattening or (name == "flatten" and ends in FLATTENING):
            self._flatten()
        elif name in FUNCTIONS and not [o for o in options if o not in (True, False, "none")]:
            self._add(activation(FUNCTIONS[name], self._shape), node)
        elif name in POOLS:
            window = dict(zip(POOL_ARGUMENTS[name], node.args[1:], strict=False)) | dict(
                node.kwargs
            )
            if "kernel_size" not in window or any(
                value not in PLAIN[key] for key, value in window.items() if key in PLAIN
            ):
                raise Unsupported(f"{_describe(node)}: padding, dilation, ceil_mode or a divisor")
            self._pool(POOLS[name], window["kernel_size"], window.get("stride"), node)
        else:
            raise Unsupported(f"{_describe(node)} is no layer the kernels know")

    def _is_flattening(self, sizes: list[Any]) -> bool:
        if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
            sizes = list(sizes[0])
        if len(sizes) != 2:
            return False
        batch, features = sizes
        known = features == math.prod(self._shape)
        return (batch == -1 and known) or (batch in self._sizes and (known or features == -1))

    def _convolution(self, layer: Any, node: fx.Node) -> None:
        plain = layer.groups == 1 and _pair(layer.dilation) == (1, 1)
        if not plain or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise Unsupported(f"{_describe(node)}: groups, dilation or a padding mode")
        if self.vector or layer.in_channels != self._shape[0]:
            raise Unsupported(f"{_describe(node)} does not fit its input")
        kernel, stride, padding = (
            _pair(value) for value in (layer.kernel_size, layer.stride, layer.padding)
        )
        self._add(
            Layer(
                "convolution",
                self._shape,
                window_output(layer.out_channels, self._shape, kernel, stride, padding),
                kernel,
                stride,
                padding,
                weight=self._offset(layer.weight),
                bias=self._offset(layer.bias),
            ),
            node,
        )

    def _linear(self, layer: Any, node: fx.Node) -> None:
        if not self.vector or layer.in_features != self._shape[0]:
            raise Unsupported(f"{_describe(node)} does not fit its input")
        self._add(
            Layer(
                "linear",
                self._shape,
                (layer.out_features, 1, 1),
                weight=self._offset(layer.weight),
                bias=self._offset(layer.bias),
            ),
            node,
        )

    def _pool(self, kind: str, kernel: Any, stride: Any, node: fx.Node) -> None:
        if self.vector:
            raise Unsupported(f"{_describe(node)} does not fit its input")
        window = _pair(kernel)
        step = window if stride is None or stride == [] else _pair(stride)
        output = window_output(self._shape[0], self._shape, window, step)
        self._add(Layer(kind, self._shape, output, window, step), node)


MODULES: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.GELU: "gelu",
}
FUNCTIONS = {
    "relu": "relu",
    "relu_": "relu",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    functional.gelu.__name__: "gelu",
}
POOLS = {
    "max_pool2d": "max_pool",
    "boolean_dispatch": "max_pool",
    "avg_pool2d": "average_pool",
}
FLATTENING: tuple[dict[str, Any], ...] = ({"start_dim": 1}, {"start_dim": 1, "end_dim": -1})
_MAX_POOL_ARGUMENTS = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
POOL_ARGUMENTS = {
    "max_pool2d": _MAX_POOL_ARGUMENTS,
    "boolean_dispatch": _MAX_POOL_ARGUMENTS,
    "avg_pool2d": (
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
        "divisor_override",
    ),
}
"""Positional arguments after the input."""
PLAIN: dict[str, tuple[Any, ...]] = {
    "padding": (0, (0, 0), [0, 0]),
    "dilation": (1, (1, 1), [1, 1]),
    "ceil_mode": (False,),
    "return_indices": (False,),
    "divisor_override": (None,),
}
"""What these arguments of a pooling may be."""


def _pair(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, tuple | list) else (value, value)
    return (int(first), int(second))


def _describe(node: fx.Node) -> str:
    if node.op == "call_module":
        return f"module {node.target!r}"
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return f"operation {name or node.target!r}"
