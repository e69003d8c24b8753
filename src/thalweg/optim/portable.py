"""Strangers' optimizer states as trees of what a checkpoint holds, and back."""

from collections import deque
from typing import Any

import torch

MARK = "thalweg.kind"
"""Key of a dict that stands for something a checkpoint cannot hold."""


def to_portable(node: Any) -> Any:
    """Return a tree with plain dicts for deques, data types, and dicts whose keys are tuples."""
    if isinstance(node, dict):
        if all(isinstance(key, str | int) for key in node):
            return {key: to_portable(value) for key, value in node.items()}
        pairs = [[to_portable(key), to_portable(value)] for key, value in node.items()]
        return {MARK: "dict", "pairs": pairs}
    if isinstance(node, deque):
        return {MARK: "deque", "items": [*map(to_portable, node)], "maxlen": node.maxlen}
    if isinstance(node, torch.dtype):
        return {MARK: "dtype", "name": str(node).removeprefix("torch.")}
    if isinstance(node, list | tuple):
        return type(node)(map(to_portable, node))
    return node


def from_portable(node: Any) -> Any:
    """Return the tree that `to_portable` was given."""
    if isinstance(node, list | tuple):
        return type(node)(map(from_portable, node))
    if not isinstance(node, dict):
        return node
    kind = node.get(MARK)
    if kind == "dict":
        return {from_portable(key): from_portable(value) for key, value in node["pairs"]}
    if kind == "deque":
        return deque(map(from_portable, node["items"]), node["maxlen"])
    if kind == "dtype":
        return getattr(torch, node["name"])
    return {key: from_portable(value) for key, value in node.items()}
