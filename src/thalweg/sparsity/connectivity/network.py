"""A network as stages of weights, under a mask: what reachability and removal work on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.native import Unsupported, recognize
from thalweg.native.layers import Layer, Shape


@dataclass(frozen=True)
class Stage:
    """One layer with weights, and the layers without any that lie before it.

    Its units are the channels of a convolution, the neurons of a linear layer, or the states of a
    recurrent layer. Its sources are the units of the stage before, or the network's own inputs:
    channels, features of a vector, or columns of an image that is read row by row.

    Attributes:
        layer: As recognised; one layer of a stack of recurrent ones.
        names: Of its weights: one, or input and state weights of a recurrent layer.
        weight: ``(units, sources, *kernel)``; ``(units, sources · features)`` where a linear layer
            reads flattened channels; zero outside the mask.
        state_weight: W_hh ``(units, units)`` of a recurrent layer, else None.
        bias: ``(units,)``, b_ih + b_hh of a recurrent layer; None for none.
        bias_names: Of its biases: none, one, or two of a recurrent layer.
        sources: Number of sources.
        before: Poolings and activations between the stage before and this one.
    """

    layer: Layer
    names: tuple[str, ...]
    weight: Tensor
    state_weight: Tensor | None
    bias: Tensor | None
    bias_names: tuple[str, ...]
    sources: int
    before: tuple[Layer, ...] = ()

    @property
    def units(self) -> int:
        return self.weight.shape[0]

    @property
    def by_source(self) -> Tensor:
        """The weights as ``(units, sources, weights a connection)``."""
        return self.weight.reshape(self.units, self.sources, -1)

    @property
    def links(self) -> Tensor:
        """Which unit has a nonzero weight from which source, boolean ``(units, sources)``."""
        return (self.by_source != 0).any(-1)

    @property
    def weights(self) -> tuple[Tensor, ...]:
        """Its weights in the order of `names`."""
        both = (self.weight, self.state_weight)
        return tuple(weight for weight in both if weight is not None)


@dataclass(frozen=True)
class Network:
    """A chain of stages.

    Attributes:
        shape: Of one input.
        stages: In order.
        after: Layers without weights behind the last stage.
    """

    shape: tuple[int, ...]
    stages: tuple[Stage, ...]
    after: tuple[Layer, ...]


@dataclass(frozen=True)
class Architecture:
    """What of a network does not depend on its weights, to read many networks of one architecture.

    Attributes:
        shape: Of one input.
        layers: In order.
        starts: Names of the parameters by where they start within a row of all of them.
    """

    shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    starts: Mapping[int, str]

    def network(self, parameters: Mapping[str, Tensor]) -> Network:
        """Return the stages of a network with these parameters.

        Raises:
            InputError: No layer has weights.
        """
        reader = _Reader(parameters, self.starts)
        stages: list[Stage] = []
        before: list[Layer] = []
        for layer in self.layers:
            found = reader.stages(layer)
            if found:
                stages += [replace(found[0], before=tuple(before)), *found[1:]]
                before = []
            else:
                before.append(layer)
        if not stages:
            raise InputError("the network has no layer with weights")
        linked = [stages[0]]
        linked += [replace(stage, sources=earlier.units) for earlier, stage in pairwise(stages)]
        return Network(self.shape, tuple(linked), tuple(before))


def read_architecture(module: nn.Module, shape: tuple[int, ...]) -> Architecture:
    """Read a module as a chain of layers.

    Args:
        module: A chain of convolutions, poolings, linear layers and activations, or the package's
            recurrent network.
        shape: Shape of one input.

    Raises:
        InputError: The network is no such chain.
    """
    slices, start = {}, 0
    for name, parameter in module.named_parameters():
        slices[name] = slice(start, start + parameter.numel())
        start = slices[name].stop
    try:
        layers = recognize(module, shape, slices).layers
    except Unsupported as reason:
        raise InputError(
            f"the network is no chain of layers whose connections can be followed: {reason}"
        ) from None
    return Architecture(shape, layers, {columns.start: n for n, columns in slices.items()})


def read_network(
    module: nn.Module, shape: tuple[int, ...], masks: Mapping[str, Tensor] | None = None
) -> Network:
    """Read a network as a chain of stages.

    Args:
        module: As for `read_architecture`.
        shape: Shape of one input.
        masks: Which parameters may be nonzero, boolean tensors by parameter name; a parameter
            without one keeps its own zeros.

    Raises:
        InputError: The network is no such chain, or a mask fits no parameter.
    """
    parameters = _masked(module, masks or {})
    return read_architecture(module, shape).network(parameters)


def _masked(module: nn.Module, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    parameters = {name: p.detach() for name, p in module.named_parameters()}
    for name, mask in masks.items():
        if name not in parameters:
            raise InputError(f"masks: {name!r} is none of {', '.join(parameters)}")
        if mask.shape != parameters[name].shape or mask.dtype != torch.bool:
            raise InputError(
                f"masks[{name!r}]: must be boolean {tuple(parameters[name].shape)}, "
                f"not {mask.dtype} {tuple(mask.shape)}"
            )
        # A fill and not a product, because 0 · inf would be NaN.
        parameters[name] = parameters[name].masked_fill(~mask.to(parameters[name].device), 0)
    return parameters


class _Reader:
    """Takes layers' parameters from where they start in the module's row."""

    def __init__(self, parameters: Mapping[str, Tensor], starts: Mapping[int, str]) -> None:
        self._parameters = parameters
        self._starts = starts

    def stages(self, layer: Layer) -> list[Stage]:
        """Return the stages of a layer; none where it has no weights."""
        if layer.kind in ("convolution", "linear"):
            name = self._starts[layer.weight]
            biases = () if layer.bias < 0 else (self._starts[layer.bias],)
            bias = self._parameters[biases[0]] if biases else None
            weight = self._parameters[name]
            return [Stage(layer, (name,), weight, None, bias, biases, weight.shape[1])]
        if layer.kind == "recurrent":
            return self._recurrent(layer)
        return []

    def _recurrent(self, layer: Layer) -> list[Stage]:
        found = []
        start = layer.weight
        image: Shape = layer.input
        for _ in range(layer.depth):
            names = []
            for _ in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                names.append(self._starts[start])
                start += math.prod(self._parameters[names[-1]].shape)
            weight, state_weight, bias_ih, bias_hh = (self._parameters[name] for name in names)
            one = replace(layer, input=image, depth=1)
            found.append(
                Stage(
                    *(one, tuple(names[:2]), weight, state_weight, bias_ih + bias_hh),
                    bias_names=tuple(names[2:]),
                    sources=weight.shape[1],
                )
            )
            image = (1, image[1], layer.hidden)
        return found
