"""The weights of a network that are kept, as graphs: each layer apart, and all joined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.graphs.graph import Block, Graph
from thalweg.sparsity.topology import STATE

Links = NDArray[np.bool_]


@dataclass(frozen=True)
class Layer:
    """Which unit a kept weight leads to from which source.

    Attributes:
        name: Of its weights from sources; None if there are only those of its state.
        links: Boolean ``(units, sources)``; None likewise. Those of a convolution are between
            channels, with an edge wherever any weight of the kernel is kept.
        state_name: Of its state's weights; None for a layer without recurrence.
        state: ``(units, units)``, to and from; an edge where any gate keeps the weight.
        convolution: Whether its units are channels, of which a linear layer reads several features.
    """

    name: str | None
    links: Links | None
    state_name: str | None = None
    state: Links | None = None
    convolution: bool = False

    def graphs(self) -> list[Graph]:
        """Return the graph of each of its weight matrices."""
        found = []
        if self.name is not None and self.links is not None:
            found.append(Graph.bipartite(self.name, self.links))
        if self.state_name is not None and self.state is not None:
            found.append(Graph.recurrent(self.state_name, self.state))
        return found


def read_layers(kept: Mapping[str, Tensor]) -> list[Layer]:
    """Return the layers that weights belong to, in the order of their names.

    Args:
        kept: Which weights are kept, boolean by parameter name, shaped as PyTorch's layers have
            them: ``(units, sources, *kernel)``. Vectors, such as biases, make no layer.
    """
    matrices = {name: values.cpu().numpy() for name, values in kept.items() if values.ndim > 1}
    state_of = {STATE.sub("weight_ih", name): name for name in matrices if STATE.search(name)}
    layers = []
    for name, values in matrices.items():
        if name in state_of.values():
            if STATE.sub("weight_ih", name) not in matrices:
                layers.append(Layer(None, None, name, _states(name, values)))
        elif name in state_of:
            state = matrices[state_of[name]]
            if len(values) != len(state):
                raise InputError(
                    f"{name!r}: must have the {len(state)} rows of {state_of[name]!r}, "
                    f"not {len(values)}"
                )
            states = _states(state_of[name], state)
            links = _any(values.reshape(-1, len(states), values.shape[1]), 0)
            layers.append(Layer(name, links, state_of[name], states))
        else:
            links = _any(values.reshape(*values.shape[:2], -1), -1)
            layers.append(Layer(name, links, convolution=values.ndim > 2))
    return layers


def joined_layers(layers: Sequence[Layer]) -> list[Graph]:
    """Return the graph of each weight matrix, and last that of the whole network, if the layers fit
    each other: its inputs, the units of each layer, and all edges.

    Each layer's sources must be the units of the one before it, or, where a linear layer reads
    flattened channels, a multiple of them: the edge is then one from the channel, present where any
    of its features is read. A file may tell its layers in another order than the network has them
    in; the first rotation of the order in which they fit is taken.
    """
    for first in range(len(layers)):
        order = [*layers[first:], *layers[:first]]
        if (whole := _chain(order)) is not None:
            return [*separate_layers(order), whole]
    return separate_layers(layers)


def separate_layers(layers: Sequence[Layer]) -> list[Graph]:
    """Return the graph of each weight matrix."""
    return [graph for layer in layers for graph in layer.graphs()]


def _chain(layers: Sequence[Layer]) -> Graph | None:
    blocks: list[Block] = []
    first = 0  # number of the first unit that the next layer reads
    before: Layer | None = None
    for layer in layers:
        links = layer.links
        if links is None:
            return None
        if before is not None and before.links is not None:
            channels = len(before.links)
            if before.convolution and not layer.convolution and links.shape[1] % channels == 0:
                links = _any(links.reshape(len(links), channels, -1), -1)
            if links.shape[1] != channels:
                return None
        sources = links.shape[1]
        blocks.append(Block(links, first + sources, first))
        first += sources
        if layer.state is not None:
            blocks.append(Block(layer.state, first, first))
        before = layer
    if len(blocks) < 2:
        return None
    return Graph("network", "network", first + len(blocks[-1].links), tuple(blocks))


def _states(name: str, values: Links) -> Links:
    """Return which state a weight leads to from which, over all gates."""
    rows, units = values.shape
    if rows % units:
        raise InputError(f"{name!r}: must have as many rows as columns, not {rows} and {units}")
    return _any(values.reshape(-1, units, units), 0)


def _any(values: Links, axis: int) -> Links:
    found: Links = np.logical_or.reduce(values, axis=axis)
    return found
