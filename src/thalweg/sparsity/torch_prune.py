"""Masks to and from the form of `torch.nn.utils.prune`."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from thalweg.errors import InputError
from thalweg.sparsity.masks import Masks, check_masks


def to_torch(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Put masks on a module by `torch.nn.utils.prune.custom_from_mask`, in place.

    The parameter ``weight`` becomes ``weight_orig`` and the buffer ``weight_mask``; their product
    is taken whenever the layer is called. ``torch.nn.utils.prune.remove(layer, "weight")`` makes
    it a parameter again, the last of its layer's. A network that reads the weights of a layer
    without calling it, as `thalweg.models.rnn.RowRNN` does, keeps the first product: train such a
    network with `thalweg.sparsity.hold`.

    Raises:
        InputError: The masks do not fit the module.
    """
    check_masks(model, masks)
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        path, _, leaf = name.rpartition(".")
        on_device = mask.to(parameters[name].device)
        prune.custom_from_mask(model.get_submodule(path), leaf, on_device)


def from_torch(model: nn.Module) -> Masks:
    """Return the masks that `torch.nn.utils.prune` holds on a module, by parameter name.

    Raises:
        InputError: It holds none.
    """
    parameters = dict(model.named_parameters())
    masks = {
        key.removesuffix("_mask"): buffer.to(torch.bool, copy=True)
        for key, buffer in model.named_buffers()
        if key.endswith("_mask") and f"{key.removesuffix('_mask')}_orig" in parameters
    }
    if not masks:
        raise InputError("the model holds no mask of torch.nn.utils.prune")
    return masks
