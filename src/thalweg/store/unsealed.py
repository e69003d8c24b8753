"""Runs of a version that recorded no checksums: what can be checked all the same."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from thalweg.spec.imported import is_imported
from thalweg.spec.run import spec_id
from thalweg.store.files import DamagedError, read_json
from thalweg.store.parquet import read_parquet
from thalweg.store.results import CONFUSION, METRICS
from thalweg.store.tensors import read_tensors

KEYS = (
    *("epochs", "steps", "diverged_step", "task", "class_names"),
    *("machine", "versions", "source", "warnings", "finished"),
)
"""What the status of every complete run tells."""


def check_keys(path: Path, status: Mapping[str, Any]) -> None:
    """Check that the status of a complete run, whose folder is given, tells what all do.

    Raises:
        DamagedError: It lacks a key.
    """
    for key in KEYS:
        if key not in status:
            raise DamagedError(path / "status.json", f"it has no {key}")


def check_unsealed(path: Path, status: Mapping[str, Any]) -> None:
    """Check the files of a complete run, as far as they tell themselves.

    Args:
        path: The run's folder.
        status: Its status.

    Raises:
        DamagedError: The status lacks a key, the spec does not give the run's id, a file is missing
            or does not parse, weights are not finite though the run has not diverged, or masks are
            not of their shapes.
    """
    check_keys(path, status)
    spec = read_json(path / "spec.json")
    if spec_id(spec) != path.name:
        raise DamagedError(path / "spec.json", "it is of another run")
    if status["steps"] == 0:  # it was to be pruned from a run that diverged, and has no files
        return
    _check_table(path / "metrics.parquet", METRICS)
    if (path / "confusion.parquet").exists():
        _check_table(path / "confusion.parquet", CONFUSION)
    _check_tensors(path, status["status"] == "done", is_imported(spec))


def _check_table(path: Path, schema: Mapping[str, Any]) -> None:
    unknown = set(read_parquet(path).columns) - set(schema)
    if unknown:
        raise DamagedError(path, f"it has a column {min(unknown)!r}")


def _check_tensors(path: Path, finite: bool, imported: bool) -> None:
    final, mask = path / "final.safetensors", path / "masks.safetensors"
    if imported and not final.exists():
        return
    weights = read_tensors(final)
    if finite and not all(torch.isfinite(each).all() for each in weights.values()):
        raise DamagedError(final, "it has weights that are not finite")
    shapes = {name: each.shape for name, each in weights.items()}
    if mask.exists() and any(shapes.get(k) != m.shape for k, m in read_tensors(mask).items()):
        raise DamagedError(mask, "its masks are not of the shapes of the weights")
