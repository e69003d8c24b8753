"""A network's state as the bytes of a file."""

from io import BytesIO

import torch
from safetensors.torch import save
from torch import nn


def state_bytes(module: nn.Module) -> bytes:
    """Return a network's state dict as `torch.save` writes it."""
    buffer = BytesIO()
    torch.save({name: t.detach() for name, t in module.state_dict().items()}, buffer)
    return buffer.getvalue()


def safetensors_bytes(module: nn.Module) -> bytes:
    """Return a network's state dict as a safetensors file."""
    # Clones, because the format refuses tensors that share memory, as tied parameters do.
    return save({name: t.detach().clone() for name, t in module.state_dict().items()})
