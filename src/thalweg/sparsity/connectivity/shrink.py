"""The physically smaller network that computes what a masked one does."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.native.layers import Layer
from thalweg.sparsity.connectivity.constants import constants, folded, kept_units
from thalweg.sparsity.connectivity.network import Stage, read_network
from thalweg.sparsity.connectivity.smaller import Smaller


@torch.no_grad()
def shrink(
    module: nn.Module, shape: tuple[int, ...], masks: Mapping[str, Tensor] | None = None
) -> Smaller:
    """Return a network without the units that a mask makes useless; outputs agree to rounding.

    Zombies are left out with all their weights. Dead units are left out and the constants they
    emit are added to the biases of the layer that reads them; `constants.kept_units` says which
    cannot be. Inputs and outputs keep their number, and weights that are zero between units that
    stay remain as zeros.

    Args:
        module: A chain of convolutions, poolings, linear layers and activations, or the package's
            recurrent network; it is left as it is.
        shape: Shape of one input.
        masks: Which parameters may be nonzero, boolean tensors by parameter name; a parameter
            without one keeps its own zeros.

    Returns:
        A sequence of PyTorch's own layers with the module's type and device; its ``sizes`` and
        its state dict are all that is needed to build it again.

    Raises:
        InputError: The network is no such chain, or a mask fits no parameter.
    """
    network = read_network(module, shape, masks)
    emitted = constants(network)
    kept = kept_units(network, emitted)
    like = network.stages[0].weight
    sizes: list[dict[str, Any]] = []
    weights: dict[str, Tensor] = {}
    given = like.new_zeros(network.stages[0].sources, dtype=torch.float64)
    sources = torch.ones_like(given, dtype=torch.bool)
    spatial = len(shape) == 3
    if network.stages[0].layer.kind == "recurrent":
        sizes.append({"kind": "rows"})
    for stage, value, units in zip(network.stages, emitted, kept, strict=True):
        sizes += [_size(layer) for layer in stage.before]
        if stage.layer.kind == "linear" and spatial:
            recurrent = bool(sizes) and sizes[-1]["kind"] == "recurrent"
            sizes.append({"kind": "last_step" if recurrent else "flatten"})
            spatial = False
        size, parameters = _cut(stage, units, sources, given)
        weights |= {f"{len(sizes)}.{name}": tensor for name, tensor in parameters.items()}
        sizes.append(size)
        # Of the units that go, those without a constant are read by none that stays.
        given, sources = value.nan_to_num(), units
    sizes += [_size(layer) for layer in network.after]
    if spatial:
        sizes.append({"kind": "flatten"})
    smaller = Smaller(sizes).to(like.device, like.dtype)
    smaller.load_state_dict(weights)
    return smaller.train(module.training)


def _cut(
    stage: Stage, units: Tensor, sources: Tensor, given: Tensor
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return sizes and parameters of a stage of which some units and sources stay.

    Args:
        stage: The stage.
        units: Which units stay.
        sources: Which sources stay.
        given: Constants of the sources that go.
    """
    layer = stage.layer
    weight = stage.by_source[units][:, sources]
    added = folded(stage, given, ~sources)[units].to(weight.dtype)
    bias = added if stage.bias is None else stage.bias[units] + added
    if stage.state_weight is not None:
        weight = weight.flatten(1)
        size: dict[str, Any] = {"kind": "recurrent", "activation": layer.activation}
        parameters = {
            "weight_ih_l0": weight,
            "weight_hh_l0": stage.state_weight[units][:, units],
            "bias_ih_l0": bias,
            "bias_hh_l0": torch.zeros_like(bias),
        }
    else:
        biased = stage.bias is not None or bool(added.any())
        if layer.kind == "convolution":
            weight = weight.unflatten(2, layer.kernel)
            size = {"kind": "convolution", **_window(layer), "padding": list(layer.padding)}
        else:
            weight = weight.flatten(1)
            size = {"kind": "linear"}
        size["bias"] = biased
        parameters = {"weight": weight, **({"bias": bias} if biased else {})}
    return {**size, "inputs": weight.shape[1], "outputs": weight.shape[0]}, parameters


def _size(layer: Layer) -> dict[str, Any]:
    if layer.kind == "activation":
        return {"kind": layer.activation}
    return {"kind": layer.kind, **_window(layer)}


def _window(layer: Layer) -> dict[str, Any]:
    return {"kernel": list(layer.kernel), "stride": list(layer.stride)}
