"""Masks by parameter name, and what they do to a module."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.validation import unknown

Masks = dict[str, Tensor]
"""Boolean tensors by parameter name, each of its parameter's shape; True stays."""


def check_masks(model: nn.Module, masks: Mapping[str, Tensor], source: str = "masks") -> None:
    """Check that masks fit a module.

    Args:
        model: The network.
        masks: By parameter name.
        source: Where the masks come from, for the message.

    Raises:
        InputError: A mask is of no parameter of the module, of another shape, or not boolean.
    """
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        if name not in parameters:
            raise InputError(f"{source}: {unknown('parameter', name, parameters)}")
        expected, found = tuple(parameters[name].shape), tuple(mask.shape)
        if found != expected:
            raise InputError(
                f"{source}: the mask of {name!r} has shape {found}, but must have {expected}"
            )
        if mask.dtype != torch.bool:
            raise InputError(f"{source}: the mask of {name!r} is {mask.dtype}, but must be boolean")


def check_alike(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    """Check that two masks are of the same parameters.

    Raises:
        InputError: They are not, or not boolean.
    """
    shapes = [{name: tuple(mask.shape) for name, mask in m.items()} for m in (first, second)]
    if shapes[0] != shapes[1]:
        raise InputError(f"masks of {shapes[1]}: must be of the parameters {shapes[0]}")
    for name, mask in [*first.items(), *second.items()]:
        if mask.dtype != torch.bool:
            raise InputError(f"the mask of {name!r} is {mask.dtype}, but must be boolean")


@torch.no_grad()
def apply_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set the weights outside the masks to 0, in place.

    To keep them there while the network trains, see `thalweg.sparsity.hold`.

    Raises:
        InputError: The masks do not fit the module.
    """
    check_masks(model, masks)
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        weight = parameters[name]
        # Not a product: 0 · inf is NaN, and 0 · −1 is −0.
        weight.masked_fill_(~mask.to(weight.device), 0)


def density(masks: Mapping[str, Tensor]) -> float:
    """Return the fraction of all masked parameters' weights that stay; NaN if there are none."""
    size = sum(mask.numel() for mask in masks.values())
    return sum(int(mask.sum()) for mask in masks.values()) / size if size else float("nan")


def densities(masks: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the fraction of each parameter's weights that stay."""
    return {name: density({name: mask}) for name, mask in masks.items()}
