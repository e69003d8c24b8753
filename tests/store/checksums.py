"""Stores whose files were changed by someone who also knew their checksums, or that have none."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from thalweg.store.files import write_json
from thalweg.store.run_directory import FILES

RESULTS = ("metrics.parquet", "confusion.parquet", "final.safetensors", "masks.safetensors")


def renew_checksums(root: Path) -> None:
    """Make every record and run of a store vouch for its files as they are now."""

    def files(folder: Path) -> dict[str, str]:
        found = [folder / name for name in RESULTS if (folder / name).exists()]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    _rewrite(root, write_json, lambda folder: {FILES: files(folder)})


def forget_checksums(root: Path) -> None:
    """Make a store one of a version without checksums, but for its checkpoints and snapshots."""
    _rewrite(root, lambda path, value: path.write_text(json.dumps(value, indent=2)), lambda _: {})
    for path in root.glob("runs/**/*.parquet"):
        pl.read_parquet(path).write_parquet(path)


def _rewrite(
    root: Path, write: Callable[[Path, Any], object], files: Callable[[Path], dict[str, Any]]
) -> None:
    for pattern in ("*.json", "*/*/*.json", "runs/*/probes/*.json"):
        for path in root.glob(pattern):
            value = json.loads(path.read_text())
            complete = path.name == "status.json" and value["status"] in ("done", "diverged")
            value = {key: each for key, each in value.items() if key not in ("seal", FILES)}
            write(path, {**value, **(files(path.parent) if complete else {})})
