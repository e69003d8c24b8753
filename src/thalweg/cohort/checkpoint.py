"""A tree of tensors and plain values as one safetensors file, and back.

Tensors go into the file as tensors; the tree around them becomes JSON in the file's metadata.
Nothing is ever pickled, so a checkpoint from a stranger can do no harm. The file carries its own
checksum (`thalweg.cohort.seal`).
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from thalweg.cohort.seal import OPEN, check_seal, seal
from thalweg.errors import ThalwegError


def pack(tree: Any) -> bytes:
    """Return the content of a safetensors file that holds the tree.

    Args:
        tree: Dicts (string or integer keys), lists, tuples, tensors, strings, numbers, booleans
            and None, nested at will. Integer keys and tuples are restored as such.

    Raises:
        TypeError: The tree holds anything else.
    """
    tensors: dict[str, Tensor] = {}
    skeleton = _encode(tree, "", tensors)
    return seal(save(tensors, metadata={"tree": json.dumps([skeleton, OPEN])}))


def unpack(path: Path) -> Any:
    """Read a tree that `pack` wrote.

    Raises:
        ThalwegError: The file is damaged or holds no tree.
    """
    try:
        check_seal(path.read_bytes())
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        found = json.loads(metadata["tree"])
        # An older file has the tree alone, whose own lists are written as objects.
        return _decode(found[0] if isinstance(found, list) else found, tensors)
    except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
        raise ThalwegError(f"{path}: not a readable checkpoint ({error})") from error


def _encode(node: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(node, Tensor):
        name = f"{len(tensors)}{path}"  # the path alone may stand twice: keys hold slashes
        tensors[name] = node.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(node, dict):
        pairs = [[key, _encode(value, f"{path}/{key}", tensors)] for key, value in node.items()]
        return {"dict": pairs}
    if isinstance(node, list | tuple):
        kind = "list" if isinstance(node, list) else "tuple"
        return {kind: [_encode(value, f"{path}/{i}", tensors) for i, value in enumerate(node)]}
    if node is None or isinstance(node, str | bool | int | float):
        return node
    raise TypeError(f"a checkpoint cannot hold {type(node).__name__} (at {path or 'the top'})")


def _decode(node: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(node, dict):
        return node
    ((kind, value),) = node.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _decode(item, tensors) for key, item in value}
    if kind not in ("list", "tuple"):
        raise ValueError(f"unknown kind {kind!r}")
    items = [_decode(item, tensors) for item in value]
    return items if kind == "list" else tuple(items)
