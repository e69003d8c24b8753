"""What the nonlinearities of a network give: its features."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Call = Callable[..., Any]

POINTWISE: Mapping[str, tuple[Call, ...]] = {
    "relu": (
        *(functional.relu, functional.relu_, torch.relu, torch.relu_),
        *(Tensor.relu, Tensor.relu_),
    ),
    "tanh": (torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_),
    "sigmoid": (torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_),
    "gelu": (functional.gelu,),
    "silu": (functional.silu,),
    "elu": (functional.elu, functional.elu_),
    "leaky_relu": (functional.leaky_relu, functional.leaky_relu_),
}
"""Ways to call each nonlinearity."""

RECURRENT: Mapping[str, tuple[Call, ...]] = {
    "rnn": (torch.rnn_tanh, torch.rnn_relu),
    "gru": (torch.gru,),
    "lstm": (torch.lstm,),
}
"""Fused recurrences, whose second result holds the last state of each layer."""

NAMES: Mapping[Call, str] = {
    call: name for kind in (POINTWISE, RECURRENT) for name, calls in kind.items() for call in calls
}

_FUSED = frozenset(call for calls in RECURRENT.values() for call in calls)


class Activations(TorchFunctionMode):
    """Notes what nonlinearities give, in the order of the calls.

    Args:
        names: Of the nonlinearities to note, keys of `POINTWISE` and `RECURRENT`.

    Attributes:
        found: Name and result ``(B, ...)`` of each call; of a fused recurrence the last state of
            each layer.
    """

    def __init__(self, names: Collection[str]) -> None:
        super().__init__()
        self._names = names
        self.found: list[tuple[str, Tensor]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = NAMES.get(func)
        if name is not None and name in self._names:
            outputs = result[1].unbind(0) if func in _FUSED else [result]
            self.found += [(name, output.detach().clone()) for output in outputs]
        return result


def activations(
    module: nn.Module, inputs: Tensor, names: Collection[str]
) -> tuple[list[tuple[str, Tensor]], Tensor]:
    """Return name and outputs ``(B, units)`` of each call of some nonlinearities, a feature map's
    pixel being a unit, and the outputs of the network.
    """
    watch = Activations(names)
    with torch.no_grad(), watch:
        outputs = module(inputs)
    return [(name, found.flatten(1)) for name, found in watch.found], outputs
