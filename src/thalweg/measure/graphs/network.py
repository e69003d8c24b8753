"""A network's weights as graphs: which are kept, and in which order its layers lie."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.measure.graphs.graph import Graph
from thalweg.measure.graphs.layers import joined_layers, read_layers, separate_layers
from thalweg.measure.graphs.unrolled import unrolled
from thalweg.sparsity import prunable, select
from thalweg.sparsity.connectivity import read_architecture
from thalweg.sparsity.connectivity.network import Network

Convolutions = Literal["channels", "unrolled"]


def network_graphs(
    module: nn.Module,
    shape: tuple[int, ...],
    weights: Mapping[str, Tensor],
    masks: Mapping[str, Tensor] | None = None,
    edge_keep: float | None = None,
    convolutions: Convolutions = "channels",
) -> list[Graph]:
    """Return the graphs of a network: of each weight matrix, and of the whole if it is a chain of
    layers.

    Args:
        module: The network; its own weights are not looked at.
        shape: Of one input.
        weights: Its parameters, by name.
        masks: Of some of them, boolean by name; of the others what is not 0 is kept.
        edge_keep: Keep instead of each matrix only the strongest ⌊edge_keep · N⌋ of its N weights
            by |w|, of equal ones the first; never one that is 0 or outside the mask.
        convolutions: Whether the units of a convolution are its channels, or all places of them:
            see `unrolled`.

    Raises:
        InputError: The network has no layers with weights, or cannot be unrolled.
    """
    network = None
    try:
        network = read_architecture(module, shape).network(weights)
        names = [name for stage in network.stages for name in stage.names]
    except InputError:  # no chain of layers; what has such weights may still be looked at apart
        if convolutions == "unrolled":
            raise
        names = prunable(module)
    kept = {}
    for name in names:
        mask = weights[name] != 0
        if masks is not None and name in masks:
            mask = masks[name].to(mask.device) & (mask if edge_keep is not None else True)
        kept[name] = mask
    if edge_keep is not None:
        for name, mask in kept.items():
            size = weights[name].detach().abs() * mask
            kept[name] = select({name: size}, edge_keep)[name] & mask
    if network is not None and convolutions == "unrolled":
        kept |= _unrolled(network, kept)
    layers = read_layers(kept)
    return separate_layers(layers) if network is None else joined_layers(layers)


def _unrolled(network: Network, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the links of each convolution between places."""
    followers = [stage.before for stage in network.stages[1:]] + [network.after]
    found = {}
    for stage, after in zip(network.stages, followers, strict=True):
        if stage.layer.kind == "convolution":
            name = stage.names[0]
            found[name] = torch.from_numpy(unrolled(name, kept[name], stage.layer, after))
    return found


def mask_graphs(masks: Mapping[str, Tensor]) -> list[Graph]:
    """Return the graphs of masks alone: of each that is a matrix, and of all joined in the order in
    which they are told, if their shapes fit.

    Args:
        masks: Boolean by parameter name.

    Raises:
        InputError: None of them is a matrix, or those of a recurrent layer do not fit each other.
    """
    layers = read_layers(masks)
    if not layers:
        raise InputError(f"masks of {', '.join(masks) or 'nothing'}: none is a matrix of weights")
    return joined_layers(layers)
