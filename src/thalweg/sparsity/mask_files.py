"""Masks in files: safetensors, or PyTorch's own format without pickled objects."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.sparsity.masks import Masks, check_masks
from thalweg.tensor_files import check_suffix, read_tensors
from thalweg.validation import brief

MARKS = ("_mask", ".mask")
"""What may follow a parameter's name in a key."""


def save_masks(path: str | Path, masks: Mapping[str, Tensor]) -> None:
    """Write masks as boolean tensors by parameter name.

    Args:
        path: Its suffix decides the format: ``.safetensors``, or ``.pt`` or ``.pth`` for a plain
            ``{name: tensor}`` as `torch.save` writes it.
        masks: By parameter name.

    Raises:
        InputError: Another suffix, or the file cannot be written.
    """
    path = _checked(path)
    tensors = {name: mask.detach().cpu().contiguous().clone() for name, mask in masks.items()}
    try:
        if path.suffix == ".safetensors":
            path.write_bytes(safetensors.torch.save(tensors))
        else:
            with path.open("wb") as file:
                torch.save(tensors, file)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({brief(error)})") from error


def load_masks(path: str | Path, model: nn.Module | None = None) -> Masks:
    """Read masks from a file; nothing is unpickled.

    A parameter's key may be its ``name``, ``name_mask`` or ``name.mask``; values are boolean, or
    numbers that are 0 or 1. The state dict of a model that `torch.nn.utils.prune` has pruned is a
    mask file too: its ``name_mask`` are taken wherever ``name_orig`` stands beside them.

    Args:
        path: As for `save_masks`.
        model: The network the masks are for, to check names and shapes.

    Returns:
        Boolean tensors by parameter name, on the CPU, in the model's order if one is given.

    Raises:
        InputError: The file cannot be read, holds anything else, or does not fit the model.
    """
    path = _checked(path)
    tensors = _read(path)
    if not isinstance(tensors, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in tensors.items()
    ):
        raise InputError(f"{path}: must hold tensors by parameter name")
    pruned = [key for key in tensors if f"{key.removesuffix('_mask')}_orig" in tensors]
    masks: Masks = {}
    for key in pruned or tensors:
        name = next((key.removesuffix(mark) for mark in MARKS if key.endswith(mark)), key)
        if name in masks:
            raise InputError(f"{path}: holds more than one mask of {name!r}")
        masks[name] = _boolean(path, name, tensors[key])
    if model is not None:
        check_masks(model, masks, str(path))
        masks = {name: masks[name] for name, _ in model.named_parameters() if name in masks}
    return masks


def holds_masks(path: Path) -> bool:
    """Return whether a file is of masks and not of weights: its keys all say so, or its tensors are
    0 or 1 everywhere.
    """
    try:
        tensors = read_tensors(path)
    except Exception:  # whoever reads it for what it is says what is wrong with it
        return False
    return isinstance(tensors, dict) and all(
        str(key).endswith(MARKS)
        or (isinstance(values, Tensor) and bool(((values == 0) | (values == 1)).all()))
        for key, values in tensors.items()
    )


def _checked(path: str | Path) -> Path:
    path = Path(path)
    check_suffix(path)
    return path


def _read(path: Path) -> Any:
    try:
        return read_tensors(path)
    except Exception as error:
        raise InputError(f"{path}: is no readable file of masks ({brief(error)})") from error


def _boolean(path: Path, name: str, values: Tensor) -> Tensor:
    mask = values != 0
    if not torch.equal(mask.to(values.dtype), values):
        raise InputError(f"{path}: the mask of {name!r} must hold nothing but 0 and 1")
    return mask
