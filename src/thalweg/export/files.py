"""Folders to write to, and a network's state as the bytes of a file."""

import os
from io import BytesIO
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from thalweg.errors import InputError


def state_bytes(module: nn.Module) -> bytes:
    """Return a network's state dict as `torch.save` writes it."""
    buffer = BytesIO()
    torch.save({name: t.detach() for name, t in module.state_dict().items()}, buffer)
    return buffer.getvalue()


def safetensors_bytes(module: nn.Module) -> bytes:
    """Return a network's state dict as a safetensors file."""
    # Clones, because the format refuses tensors that share memory, as tied parameters do.
    return save({name: t.detach().clone() for name, t in module.state_dict().items()})


def make_writable(folder: Path) -> None:
    """Make a folder where it does not exist.

    Raises:
        InputError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--to {folder}: cannot be made ({error.strerror})") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"--to {folder}: cannot be written; choose another folder")
