"""A small data set in MNIST's form, and an environment that hides what the machine has."""

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from thalweg.data import locate, sources
from thalweg.data.sources import Source


def idx_bytes(array: np.ndarray) -> bytes:
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[array.dtype.str[1:]]
    sizes = np.array(array.shape, ">u4").tobytes()
    data = array.astype(array.dtype.newbyteorder(">")).tobytes()
    return bytes([0, 0, code, array.ndim]) + sizes + data


@pytest.fixture
def as_idx() -> Callable[[np.ndarray], bytes]:
    return idx_bytes


@pytest.fixture
def toy_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "train_images": rng.integers(0, 256, (12, 4, 4), dtype=np.uint8),
        "train_labels": rng.integers(0, 10, 12, dtype=np.uint8),
        "test_images": rng.integers(0, 256, (5, 4, 4), dtype=np.uint8),
        "test_labels": rng.integers(0, 10, 5, dtype=np.uint8),
    }


@pytest.fixture
def toy(
    toy_arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Source:
    """Register the set "toy" and hide the real places; HOME, cache and cwd lie in tmp_path."""
    files = tuple(
        replace(
            file,
            sha256=hashlib.sha256(idx_bytes(toy_arrays[file.role])).hexdigest(),
            shape=toy_arrays[file.role].shape,
        )
        for file in sources.SOURCES["mnist"].files
    )
    source = Source(
        name="toy",
        title="Toy",
        mirrors=("http://127.0.0.1:9/",),  # the discard port: refused at once
        torchvision="Toy/raw",
        package="dataset-toy",
        mean=0.5,
        std=0.25,
        class_names=tuple("0123456789"),
        files=files,
    )
    monkeypatch.setitem(sources.SOURCES, "toy", source)
    for folder in ("home", "work", "debian"):
        (tmp_path / folder).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("THALWEG_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(locate, "DEBIAN_ROOT", tmp_path / "debian")
    monkeypatch.chdir(tmp_path / "work")
    return source


@pytest.fixture
def write_toy(toy: Source, toy_arrays: dict[str, np.ndarray]) -> Callable[..., Path]:
    """Write the toy set into a folder, gzipped or raw, under the plain or the dotted names."""

    def write(folder: Path, *, gz: bool = True, dotted: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for file in toy.files:
            name = file.name.replace("-idx", ".idx") if dotted else file.name
            content = idx_bytes(toy_arrays[file.role])
            if gz:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
        return folder

    return write
