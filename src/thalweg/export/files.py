"""A network's state as the bytes of a file."""

from collections.abc import Mapping
from io import BytesIO

import torch
from safetensors.torch import save
from torch import Tensor, nn


def state_bytes(module: nn.Module) -> bytes:
    """Return a network's state dict as `torch.save` writes it."""
    return tensor_bytes(module.state_dict())


def tensor_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors by name as `torch.save` writes them."""
    buffer = BytesIO()
    torch.save({name: tensor.detach().cpu() for name, tensor in tensors.items()}, buffer)
    return buffer.getvalue()


def safetensors_bytes(module: nn.Module) -> bytes:
    """Return a network's state dict as a safetensors file."""
    # Clones, because the format refuses tensors that share memory, as tied parameters do.
    return save({name: t.detach().clone() for name, t in module.state_dict().items()})
