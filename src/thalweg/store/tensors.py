"""Named tensors as safetensors files, and back."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from thalweg.store.files import DamagedError, read_bytes
from thalweg.validation import brief


def tensor_bytes(named: Mapping[str, Tensor]) -> bytes:
    """Return tensors as the content of a file, which others read too: it carries no checksum."""
    content: bytes = save({name: tensor.cpu().contiguous() for name, tensor in named.items()})
    return content


def read_tensors(path: Path, digest: str | None = None) -> dict[str, Tensor]:
    """Read the tensors of a file whose SHA-256 is known, or None, in the order of their names.

    Raises:
        DamagedError: It holds none, or is not as it was written.
    """
    content = read_bytes(path, digest)
    try:
        tensors: dict[str, Tensor] = load(content)
    except SafetensorError as error:
        raise DamagedError(path, brief(error)) from error
    return dict(sorted(tensors.items()))  # they come in another order every time
