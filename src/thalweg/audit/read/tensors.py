"""Weights and masks in someone's files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import torch
from torch import Tensor

from thalweg.measure.state_dicts import NESTED
from thalweg.sparsity.mask_files import MARKS

Named = dict[str, Tensor]


@dataclass(frozen=True)
class TensorFile:
    """What one file holds.

    Attributes:
        name: Path in the folder.
        weights: By parameter name; of what `torch.nn.utils.prune` has pruned, the product.
        masks: Boolean by parameter name; empty for a file without.
        applied: Names of masks that the network applies itself, so that they cannot but be held.
    """

    name: str
    weights: Named
    masks: Named
    applied: frozenset[str] = frozenset()

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the file's name, numbers among them."""
        stem = str(PurePosixPath(self.name).with_suffix("")).lower()
        return tuple(re.findall(r"[a-z]+|\d+(?:\.\d+)?", stem))


def sort_tensors(name: str, found: Any) -> TensorFile | None:
    """Return weights and masks among what a file holds; None if it holds no tensors by name.

    Masks are the entries ``NAME_mask`` and ``NAME.mask``, a table under ``mask`` or ``masks``, and
    all of a file that holds nothing but 0 and 1.
    """
    if not isinstance(found, Mapping):
        return None
    masks: Named = {}
    for key, value in found.items():
        if str(key).lower() in ("mask", "masks"):
            masks |= {_bare(k): v != 0 for k, v in _tensors(value).items()}
    weights = _tensors(next((found[key] for key in NESTED if _tensors(found.get(key))), found))
    marked = {key for key in weights if key.endswith(MARKS)}
    masks |= {_bare(key): weights[key] != 0 for key in marked}
    originals = {key.removesuffix("_orig") for key in weights if key.endswith("_orig")}
    kept = {key.removesuffix("_orig"): value for key, value in weights.items() if key not in marked}
    applied = originals & masks.keys()
    for key in applied:
        if masks[key].shape == kept[key].shape:
            kept[key] = torch.where(masks[key], kept[key], 0)
    if not masks and kept and all(_is_mask(value) for value in kept.values()):
        masks, kept = {_bare(key): value != 0 for key, value in kept.items()}, {}
    return TensorFile(name, kept, masks, frozenset(applied)) if kept or masks else None


def sparsity_of(mask: Mapping[str, Tensor]) -> float:
    """Return the fraction of the entries that are 0."""
    total = sum(each.numel() for each in mask.values())
    return 1 - sum(int(each.count_nonzero()) for each in mask.values()) / total


def matrices(weights: Mapping[str, Tensor]) -> Named:
    """Return the weights of two or more dimensions, which pruning is about by custom."""
    return {name: value for name, value in weights.items() if value.ndim > 1}


def _tensors(value: Any) -> Named:
    if not isinstance(value, Mapping):
        return {}
    return {
        str(key).removeprefix("module."): each.detach()
        for key, each in value.items()
        if isinstance(each, Tensor) and not each.is_sparse
    }


def _bare(key: str) -> str:
    return next((key.removesuffix(mark) for mark in MARKS if key.endswith(mark)), key)


def _is_mask(values: Tensor) -> bool:
    return values.numel() > 0 and bool(((values == 0) | (values == 1)).all())
