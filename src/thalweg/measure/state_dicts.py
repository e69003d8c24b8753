"""Weights from anyone's file into a network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.tensor_files import check_suffix, read_tensors
from thalweg.validation import brief

NESTED = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the state dict in a checkpoint."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a state dict; nothing is unpickled.

    A checkpoint's state dict is found under ``state_dict``, ``model_state_dict`` or ``model``. The
    prefix ``module.`` of data parallelism is removed, and what `torch.nn.utils.prune` has pruned
    (``name_orig`` and ``name_mask``) is multiplied out.

    Raises:
        InputError: The file cannot be read or holds no tensors by name.
    """
    check_suffix(path)
    found = _read(path)
    for key in NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in found.items()
    ):
        raise InputError(f"{path}: must hold tensors by parameter name (a state dict)")
    named = {name.removeprefix("module."): value for name, value in found.items()}
    originals = [name.removesuffix("_orig") for name in named if name.endswith("_orig")]
    pruned = [name for name in originals if f"{name}_mask" in named]
    for name in pruned:
        weight, mask = named.pop(f"{name}_orig"), named.pop(f"{name}_mask")
        named[name] = torch.where(mask != 0, weight, 0.0)
    return named


def load_state_dict(module: nn.Module, path: Path) -> None:
    """Give a network the weights of a file.

    Raises:
        InputError: The file cannot be read, or a name or shape is not the network's.
    """
    found = read_state_dict(path)
    own = module.state_dict()
    for name, tensor in own.items():
        if name not in found:
            raise InputError(f"{path}: has no {name!r}, which the model has (it has {_few(found)})")
        if found[name].shape != tensor.shape:
            raise InputError(
                f"{path}: {name!r} has shape {tuple(found[name].shape)}, but the model's has "
                f"{tuple(tensor.shape)}"
            )
    if more := [name for name in found if name not in own]:
        raise InputError(f"{path}: has {_few(more)}, which the model has not")
    module.load_state_dict(found)


def _read(path: Path) -> Any:
    try:
        return read_tensors(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:
        raise InputError(f"{path}: is no readable state dict ({brief(error)})") from error


def _few(names: Any, most: int = 4) -> str:
    listed = list(names)
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")
