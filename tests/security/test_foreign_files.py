"""Files that are made to harm: refused in a sentence, with nothing run and little memory taken."""

import ast
import gzip
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import thalweg

SOURCES = sorted(Path(thalweg.__file__).parent.rglob("*.py"))

FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"),
    *("yaml", "jsonpickle", "pandas"),
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}

READ = """
import resource, sys
from pathlib import Path
from thalweg.data.idx import read_idx
from thalweg.errors import InputError
from thalweg.imports.files import find_files
from thalweg.measure.state_dicts import read_state_dict
from thalweg.sparsity import load_masks
from thalweg.sparsity.mask_files import holds_masks
from thalweg.store.parquet import read_parquet
from thalweg.store.files import DamagedError

def virtual():
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()

limit = virtual() + 700 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for name in sys.argv[1:]:
    path = Path(name)
    if path.suffix in (".idx", ".gz"):
        readers = [read_idx]
    elif path.suffix == ".parquet":
        readers = [read_parquet]
    else:
        holds_masks(path)
        readers = [load_masks, read_state_dict, lambda path: find_files([path])]
    for read in readers:
        try:
            read(path)
        except (InputError, DamagedError) as error:
            print(path.name, "refused:", error)
        else:
            print(path.name, "TAKEN")
"""


class Evil:
    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.flag}",)


def test_the_package_has_no_way_to_unpickle_or_to_run_a_text() -> None:
    """But `torch.load` with ``weights_only``, which makes tensors and plain containers alone."""
    loads = 0
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            where = f"{path}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
                assert not names & FORBIDDEN_MODULES, where
            elif isinstance(node, ast.ImportFrom):
                names = {alias.name for alias in node.names}
                module = (node.module or "").partition(".")[0]
                assert module not in FORBIDDEN_MODULES or names == {"UnpicklingError"}, where
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                keywords = {each.arg: ast.unparse(each.value) for each in node.keywords}
                assert called not in FORBIDDEN_CALLS, where
                assert "allow_pickle" not in keywords, where
                assert called not in ("np.load", "numpy.load"), where
                if called == "torch.load":
                    loads += 1
                    assert keywords.get("weights_only") == "True", where
    assert loads == 1
    assert len(SOURCES) > 300


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, Path]:
    """Files by name; no reader may take any of them."""
    flag = tmp_path / "executed"
    contents: dict[str, bytes] = {}
    for name, found in {
        "object.pt": Evil(flag),
        "in-a-dict.pth": {"0.weight": torch.ones(2), "state": Evil(flag)},
        "nested.pt": {"state_dict": {"0.weight": Evil(flag)}},
    }.items():
        buffer = io.BytesIO()
        torch.save(found, buffer)
        contents[name] = buffer.getvalue()
        buffer = io.BytesIO()
        torch.save(found, buffer, _use_new_zipfile_serialization=False)
        contents[f"legacy-{name}"] = buffer.getvalue()
    contents["pickle.pt"] = pickle.dumps(Evil(flag))
    for suffix in ("ckpt", "npy", "npz", "pkl"):
        contents[f"other.{suffix}"] = contents["object.pt"]
    array = io.BytesIO()
    np.save(array, np.array([Evil(flag)], dtype=object), allow_pickle=True)
    contents["array.pt"] = array.getvalue()

    buffer = io.BytesIO()
    torch.save({"0.weight": torch.zeros(2**28, dtype=torch.uint8)}, buffer)
    squeezed = io.BytesIO()
    with (
        zipfile.ZipFile(buffer) as plain,
        zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for member in plain.namelist():
            small.writestr(member, plain.read(member))
    contents["bomb.pt"] = squeezed.getvalue()
    for name, tensor in {
        "repeated.pt": torch.ones(1).expand(2**20, 2**20),
        "sparse.pt": torch.sparse_coo_tensor(size=(2**20, 2**20), check_invariants=True),
    }.items():
        buffer = io.BytesIO()
        torch.save({"0.weight": tensor}, buffer)
        contents[name] = buffer.getvalue()

    contents["header.safetensors"] = struct.pack("<Q", 2**60) + b"{}"
    entry = {"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 2**64]}
    for name, table in {
        "shape.safetensors": {"0.weight": entry},
        "offsets.safetensors": {"0.weight": {**entry, "data_offsets": [0, 4]}},
    }.items():
        text = json.dumps(table).encode()
        contents[name] = struct.pack("<Q", len(text)) + text + bytes(4)

    contents["shape.idx"] = bytes([0, 0, 8, 3]) + struct.pack(">3I", *([2**32 - 1] * 3))
    zeros = bytes(2**20)
    bomb = io.BytesIO()
    with gzip.GzipFile(fileobj=bomb, mode="wb") as file:
        file.write(bytes([0, 0, 8, 1]) + struct.pack(">I", 5))
        for _ in range(300):
            file.write(zeros)
    contents["bomb.gz"] = bomb.getvalue()

    many = io.BytesIO()
    frame = pl.select(value=pl.repeat(0, 20_000_000, dtype=pl.Int8))
    frame.write_parquet(many)
    contents["rows.parquet"] = many.getvalue()
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in contents}


def test_every_reader_refuses_in_a_sentence(hostile: dict[str, Path], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, hostile.values())],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert {line.partition(" ")[0] for line in lines} == set(hostile)
    for line in lines:
        assert " refused: " in line, line
        assert "\\n" not in line
    assert not (tmp_path / "executed").exists()
    assert all(path.stat().st_size < 4 * 2**20 for path in hostile.values())
