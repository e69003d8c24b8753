"""Folders of someone else, written as they are found in the field."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from thalweg.audit import Finding, audit_folder

Files = Mapping[str, Any]


def network(seed: int, mask: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
    """Weights of a small network, 0 outside a mask."""
    random = torch.Generator().manual_seed(seed)
    shapes = {"fc1.weight": (20, 30), "fc1.bias": (20,), "fc2.weight": (10, 20), "fc2.bias": (10,)}
    found = {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}
    return {n: w * mask[n] if mask and n in mask else w for n, w in found.items()}


def masks(seed: int, keep: float = 0.1) -> dict[str, Tensor]:
    """Masks of its matrices with exactly so many entries of each."""
    random = torch.Generator().manual_seed(1000 + seed)
    found = {}
    for name, shape in (("fc1.weight", (20, 30)), ("fc2.weight", (10, 20))):
        flat = torch.zeros(shape[0] * shape[1], dtype=torch.bool)
        flat[torch.randperm(len(flat), generator=random)[: round(keep * len(flat))]] = True
        found[name] = flat.view(shape)
    return found


def write(root: Path, files: Files) -> Path:
    """Write texts, notebooks (lists of cells) and tensors by name."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".ipynb"):
            cells = [{"cell_type": kind, "source": text} for kind, text in content]
            path.write_text(json.dumps({"cells": cells}))
        elif isinstance(content, str):
            path.write_text(content)
        else:
            torch.save(content, path)
    return root


@pytest.fixture
def audited(tmp_path: Path) -> Callable[[Files], list[Finding]]:
    """Give a function that writes files into a folder and audits it."""

    def audit(files: Files) -> list[Finding]:
        return audit_folder(write(tmp_path / "study", files))

    return audit


def brief(findings: list[Finding]) -> set[tuple[str, str]]:
    """Name and severity of all findings."""
    return {(finding.check, finding.severity) for finding in findings}
