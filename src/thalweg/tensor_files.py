"""Files of tensors by name, in either of the formats that people keep them in."""

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from thalweg.errors import InputError

SUFFIXES = (".safetensors", ".pt", ".pth")


def check_suffix(path: Path) -> None:
    """Check that a file's name says which format it has.

    Raises:
        InputError: It does not.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: must end in one of {', '.join(SUFFIXES)}")


def read_tensors(path: Path) -> Any:
    """Return what a file holds, on the CPU; nothing is unpickled, and no more memory is taken than
    the file has bytes. A damaged or foreign file may raise anything.
    """
    if path.suffix == ".safetensors":
        tensors = safetensors.torch.load(path.read_bytes())
        return {name: tensors[name] for name in sorted(tensors)}  # theirs is no fixed order
    _check_stored(path)
    with warnings.catch_warnings(action="ignore"):  # of pickles it is about to refuse
        found = torch.load(path, map_location="cpu", weights_only=True)
    _check_sizes(found, path.stat().st_size)
    return found


def _check_stored(path: Path) -> None:
    """Check that an archive is not compressed: a small one could be of any size then."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename!r} is compressed, which torch.save never does")


def _check_sizes(found: Any, size: int) -> None:
    """Check that no tensor has more elements than the file can hold, as one that repeats few of
    them may have, or stores them in a way of its own.
    """
    if isinstance(found, torch.Tensor):
        if found.layout is not torch.strided or found.is_quantized or found.is_meta:
            raise ValueError("it holds tensors that are no plain arrays of numbers")
        if found.numel() * found.element_size() > size:
            raise ValueError(
                f"it holds a tensor of shape {tuple(found.shape)}, more than its {size} bytes are"
            )
    elif isinstance(found, Mapping | list | tuple):
        for each in found.values() if isinstance(found, Mapping) else found:
            _check_sizes(each, size)
