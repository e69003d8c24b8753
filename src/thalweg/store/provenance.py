"""What produced a result: source, versions, machine."""

import hashlib
import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

LIBRARIES = ("torch", "numpy", "scipy", "polars", "duckdb", "scikit-learn")


@cache
def source_hash() -> str:
    """Return the first 16 digits of the SHA-256 over the package's Python files and recipes."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted([*root.rglob("*.py"), *root.rglob("*.toml")]):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """Return the versions of Thalweg, Python and the libraries that shape a result."""
    return {
        "thalweg": version("thalweg"),
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
    }


@cache
def machine() -> dict[str, Any]:
    """Return processor, cores, system and, where there is one, the GPU."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.release()}",
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
