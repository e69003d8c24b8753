"""Trees of tensors and plain values to a file and back."""

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from torch import Tensor

from thalweg.cohort.checkpoint import pack, unpack
from thalweg.errors import ThalwegError

DTYPES = (
    *(torch.float64, torch.float32, torch.bfloat16, torch.float16),
    *(torch.int64, torch.int32, torch.uint8, torch.bool),
)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    dtype = draw(st.sampled_from(DTYPES))
    values = torch.arange(math.prod(shape)).reshape(shape) % 7 - 3
    tensor = values.abs().to(dtype) if dtype in (torch.uint8, torch.bool) else values.to(dtype)
    return tensor.transpose(0, -1) if tensor.ndim > 1 and draw(st.booleans()) else tensor


PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
)
KEYS = st.one_of(st.text(max_size=3), st.sampled_from(["a/b", "a", "1", "__metadata__"]))
TREES = st.recursive(
    st.one_of(PLAIN, tensors()),
    lambda below: st.one_of(
        st.lists(below, max_size=3),
        st.lists(below, max_size=3).map(tuple),
        st.dictionaries(st.one_of(KEYS, st.integers(-2, 3)), below, max_size=4),
    ),
    max_leaves=12,
)


def same(first: Any, second: Any) -> bool:
    """Equal in value and in kind, all the way down; NaN equals NaN."""
    if type(first) is not type(second):
        return False
    if isinstance(first, Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second or (first != first and second != second)


def round_trip(tree: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tree.safetensors")
        path.write_bytes(pack(tree))
        return unpack(path)


@settings(deadline=None, max_examples=60)
@given(TREES)
def test_round_trip(tree: Any) -> None:
    assert same(round_trip(tree), tree)


def test_keys_that_read_alike_are_kept_apart() -> None:
    tree = {
        1: torch.tensor(1.0),
        "1": torch.tensor(2.0),
        "a/b": torch.tensor(3.0),
        "a": {"b": torch.tensor(4.0)},
    }
    assert same(round_trip(tree), tree)


def test_views_and_shared_tensors_come_back_whole() -> None:
    whole = torch.arange(12.0).view(3, 4)
    tree = {"row": whole[1], "column": whole[:, 2], "again": whole, "grad": whole.requires_grad_()}
    found = round_trip(tree)
    assert all(torch.equal(found[key], tree[key]) for key in tree)
    assert not found["grad"].requires_grad


@pytest.mark.parametrize("value", [{1, 2}, object(), 1j, b"bytes", torch.float32])
def test_other_values_are_refused_by_their_place(value: Any) -> None:
    with pytest.raises(TypeError, match=f"cannot hold {type(value).__name__} \\(at /a/1\\)"):
        pack({"a": [0, value]})


def test_the_file_is_a_plain_safetensors_file() -> None:
    content = pack({"weights": torch.zeros(3), "step": 4})
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    assert set(header.pop("__metadata__")) == {"tree"}
    assert [entry["shape"] for entry in header.values()] == [[3]]
    assert len(content) == 8 + size + 12
    assert b"pickle" not in content


class Explosive:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (Path("exploded"), "boom"))


def damaged() -> dict[str, bytes]:
    good = pack({"weights": torch.arange(6.0), "step": 4})
    return {
        "empty": b"",
        "short": good[:20],
        "without its end": good[:-1],
        "with more at its end": good + b"\0",
        "noise": bytes(range(256)) * 4,
        "wrong header": good[:8] + b"x" + good[9:],
        "no tree": save({"weights": torch.zeros(2)}),
        "a tree that is not JSON": save({}, metadata={"tree": "{"}),
        "a tree of an unknown kind": save({}, metadata={"tree": '{"pickle": "x"}'}),
        "a tree without its tensor": save({}, metadata={"tree": '{"tensor": "x"}'}),
        "a dict of a number": save({}, metadata={"tree": '{"dict": 3}'}),
        "a dict with a list as key": save({}, metadata={"tree": '{"dict": [[[], 1]]}'}),
        "two kinds at once": save({}, metadata={"tree": '{"list": [], "tuple": []}'}),
    }


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(damaged()[name])
    with pytest.raises(ThalwegError, match=r"checkpoint\.safetensors: not a readable checkpoint"):
        unpack(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ThalwegError, match="not a readable checkpoint"):
        unpack(tmp_path / "none.safetensors")
    with pytest.raises(ThalwegError, match="not a readable checkpoint"):
        unpack(tmp_path)


def test_a_pickle_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Explosive()}, "stranger.pt")
    with pytest.raises(ThalwegError, match="not a readable checkpoint"):
        unpack(Path("stranger.pt"))
    assert not Path("exploded").exists()
