"""What strangers' bytes are put to, by name; each raises nothing but the documented error."""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from thalweg.audit.read.tables import markdown_tables, read_csv
from thalweg.audit.read.tensors import sort_tensors
from thalweg.data.idx import TYPES, decode_idx
from thalweg.errors import InputError
from thalweg.imports.columns import is_metrics, read_curves, read_log
from thalweg.imports.files import find_files
from thalweg.measure.state_dicts import read_state_dict
from thalweg.sparsity import load_masks
from thalweg.sparsity.mask_files import holds_masks
from thalweg.spec import RunSpec
from thalweg.study.plan import expand_study
from thalweg.study.source import effective, parse_study, recipes

Target = Callable[[bytes], None]

FOLDER = Path(tempfile.mkdtemp(prefix="thalweg-fuzz-"))
"""Where a file is put that a reader takes by its path."""

SAMPLE = 3
"""Specs of a study whose canonical form is read back."""


def idx(data: bytes) -> None:
    with suppress(InputError):
        found = decode_idx(data, "fuzzed")
        assert found.nbytes <= max(len(data), 1) * 1032 * 8
        assert found.flags.writeable


def study(data: bytes) -> None:
    """The TOML of a study; the specs that it stands for must read back as they are."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    try:
        table = parse_study(text, "fuzzed")
        presets = table.get("presets")
        preset = next(iter(presets), None) if isinstance(presets, dict) else None
        plan = expand_study(effective(table, preset))
    except InputError:
        return
    for spec in plan.specs[:SAMPLE]:
        again = RunSpec.parse(spec.canonical())
        assert (again.id, again.canonical()) == (spec.id, spec.canonical())
    applied = expand_study(parse_study(plan.toml(), "applied"))
    assert [spec.id for spec in applied.specs] == [spec.id for spec in plan.specs]


def tensors(data: bytes) -> None:
    """Files of weights and of masks; the first byte chooses the format."""
    path = FOLDER / ("fuzzed.pt" if data[:1] == b"P" else "fuzzed.safetensors")
    path.write_bytes(data if data[:1] == b"P" else data[1:])
    for read in (load_masks, read_state_dict, lambda file: find_files([file])):
        with suppress(InputError):
            read(path)
    holds_masks(path)


def table(data: bytes) -> None:
    """Tables of figures by epoch, logs of prunings, and the tables of a Markdown text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    for _ in markdown_tables("fuzzed", text):
        pass
    with suppress(InputError, csv.Error):
        found = read_csv("fuzzed", text)
        if found is not None:
            is_metrics(found)
            for read in (read_curves, read_log):
                with suppress(InputError):
                    list(read(found))


TARGETS: dict[str, Target] = {"idx": idx, "study": study, "tensors": tensors, "table": table}


def seeds(name: str) -> Iterator[bytes]:
    """Yield sound inputs of a target, which a fuzzer begins from."""
    yield from {"idx": _idx, "study": _studies, "tensors": _tensors, "table": _tables}[name]()


def _idx() -> Iterator[bytes]:
    import gzip

    for code, kind in TYPES.items():
        for shape in ((3,), (2, 3, 2)):
            sizes = np.array(shape, ">u4").tobytes()
            raw = bytes([0, 0, code, len(shape)]) + sizes + np.ones(shape, kind).tobytes()
            yield raw
            yield gzip.compress(raw, mtime=0)


def _studies() -> Iterator[bytes]:
    for text in recipes().values():
        yield text.encode()


def _tensors() -> Iterator[bytes]:
    weights = {"0.weight": torch.ones(2, 3), "0.bias": torch.zeros(2)}
    masks = {"0.weight_mask": torch.ones(2, 3, dtype=torch.bool)}
    nested: Any = {"state_dict": weights, "masks": masks, "epoch": 3}
    for found in (weights, masks, {**weights, **masks}):
        yield b"S" + safetensors.torch.save(found)
    for found in (weights, masks, nested):
        assert sort_tensors("sound", found) is not None
        buffer = io.BytesIO()
        torch.save(found, buffer)
        yield buffer.getvalue()


def _tables() -> Iterator[bytes]:
    yield b"epoch,train_loss,test_loss,test_accuracy,lr\n1,0.5,0.6,0.8,0.1\n2,0.4,0.5,0.85,0.1\n"
    yield b"epoch;optimizer;seed;loss;accuracy\n1;sgd;0;0.5;81.5 %\n2;sgd;0;nan;85,0\n"
    yield b"round\tepoch\tsparsity\tnonzero\n0\t5\t0.0\t1000\n1\t10\t50%\t500\n"
    yield b"| arm | accuracy |\n|---|---:|\n| sgd | **92.34 \xc2\xb1 0.29 %** |\n"
