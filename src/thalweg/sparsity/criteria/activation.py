"""Activation-weighted magnitude: large weights on large inputs stay."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from thalweg.errors import InputError
from thalweg.models.rnn import RowRNN
from thalweg.sparsity.allocation.scope import NoOptions, Scores
from thalweg.sparsity.criteria.criterion import Context, Criterion, scratch

MAPS = frozenset(
    {
        functional.linear,
        functional.conv1d,
        functional.conv2d,
        functional.conv3d,
        functional.conv_transpose1d,
        functional.conv_transpose2d,
        functional.conv_transpose3d,
    }
)
"""Functions of ``(input, weight, bias, ...)`` that are linear in the weight."""


def activation(
    model: nn.Module, names: Sequence[str], context: Context, options: NoOptions
) -> Scores:
    """Return |w_ij| · ‖x_j‖₂, x_j being the values that w_ij multiplies, over all examples.

    For a linear layer x_j is input feature j at every example and position. A convolution is the
    linear layer it is on its patches: x_j holds what lies under channel and kernel position j in
    every patch, padding included. It therefore grows with the number of patches, and a scope with
    numbers for each layer suits it better than "global"; Wanda, Sun et al., arXiv:2306.11695,
    compares the weights of one output only. The network runs in the mode, training or evaluation,
    that it is in.

    Raises:
        InputError: The input of a weight cannot be seen, as those of fused recurrent layers.
    """
    module, weights = scratch(model, names)
    for part in module.modules():
        if isinstance(part, RowRNN):
            part.unrolled = True
    watch = _SquaredInputs(weights)
    with watch:
        for inputs, _ in context.batches:
            module(inputs)
    for name, weight in zip(names, weights, strict=True):
        if id(weight) not in watch.sums:
            raise InputError(
                "criterion 'activation': sees the inputs of linear and convolution layers, "
                f"not those of {name!r}"
            )
    return {
        name: w.detach().abs() * watch.sums[id(w)].sqrt()
        for name, w in zip(names, weights, strict=True)
    }


class _SquaredInputs(TorchFunctionMode):
    """Sums the squares of the values that each weight multiplies.

    Attributes:
        sums: float64, shaped as the weight, by its ``id``.
    """

    def __init__(self, weights: Sequence[Tensor]) -> None:
        super().__init__()
        self._watched = {id(w) for w in weights}
        self.sums: dict[int, Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in MAPS:
            named = dict(zip(("input", "weight", "bias"), args, strict=False)) | kwargs
            if id(named["weight"]) in self._watched:
                self._add(func, named, args[3:])
        return func(*args, **kwargs)

    def _add(self, func: Any, named: dict[str, Any], rest: tuple[Any, ...]) -> None:
        # Of a map linear in its weight, the gradient of the summed outputs with respect to a weight
        # is the sum of what it multiplies.
        x, weight = named.pop("input"), named.pop("weight")
        named.pop("bias", None)
        ones = torch.ones_like(weight, dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            outputs = func(x.detach().double().square(), ones, None, *rest, **named).sum()
        (found,) = torch.autograd.grad(outputs, ones)
        known = self.sums.get(id(weight))
        self.sums[id(weight)] = found if known is None else known + found


ACTIVATION = Criterion(
    "activation",
    "|w| · ‖its input‖₂ (Wanda)",
    "Sun et al., A Simple and Effective Pruning Approach, arXiv:2306.11695",
    ("data",),
    NoOptions,
    activation,
)
