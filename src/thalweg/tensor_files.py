"""Files of tensors by name, in either of the formats that people keep them in."""

import warnings
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
    """Return what a file holds, on the CPU; nothing is unpickled. A damaged or foreign file may
    raise anything.
    """
    if path.suffix == ".safetensors":
        tensors = safetensors.torch.load(path.read_bytes())
        return {name: tensors[name] for name in sorted(tensors)}  # theirs is no fixed order
    with warnings.catch_warnings(action="ignore"):  # of pickles it is about to refuse
        return torch.load(path, map_location="cpu", weights_only=True)
