import contextlib
import gzip
import re
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from thalweg.data import idx
from thalweg.data.idx import decode_idx, read_idx
from thalweg.errors import InputError

AsIdx = Callable[[np.ndarray], bytes]
CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
SAMPLE = bytes([0, 0, 0x0B, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + struct.pack(">6h", 1, -2, 3, 4, 5, -600)
VALUES = np.array([[1, -2, 3], [4, 5, -600]], np.int16)


def refused(content: bytes) -> str:
    with pytest.raises(InputError) as caught:
        decode_idx(content, "the-file")
    message = str(caught.value)
    assert message.startswith("the-file: at byte ")
    assert "expected" in message
    assert "found" in message
    assert "\n" not in message
    return message


def position(message: str) -> int:
    return int(re.search(r"at byte (\d+)", message)[1])


@pytest.mark.parametrize("name", ["a.gz", "a"])
@pytest.mark.parametrize("wrap", [gzip.compress, bytes])
def test_content_not_name_tells_gzip_from_raw(
    tmp_path: Path, name: str, wrap: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / name
    path.write_bytes(wrap(SAMPLE))
    values = read_idx(path)
    np.testing.assert_array_equal(values, VALUES)
    assert values.dtype == np.int16
    assert values.dtype.isnative
    assert values.flags.writeable
    assert values.flags.c_contiguous


@given(
    array=st.sampled_from(sorted(CODES)).flatmap(
        lambda code: npst.arrays(
            np.dtype(code), npst.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=5)
        )
    ),
    compress=st.booleans(),
)
def test_round_trip(array: np.ndarray, compress: bool) -> None:
    content = bytes([0, 0, CODES[array.dtype.str[1:]], array.ndim])
    content += struct.pack(f">{array.ndim}I", *array.shape)
    content += array.astype(array.dtype.newbyteorder(">")).tobytes()
    decoded = decode_idx(gzip.compress(content) if compress else content, "made")
    assert decoded.dtype == array.dtype
    assert decoded.shape == array.shape
    assert decoded.tobytes() == array.tobytes()  # to the bit, NaN payloads included


@pytest.mark.parametrize("length", range(len(SAMPLE)))
def test_truncated_raw(length: int) -> None:
    message = refused(SAMPLE[:length])
    assert position(message) == length
    assert "found the end of the file" in message


@pytest.mark.parametrize("length", range(len(SAMPLE)))
def test_truncated_before_compression(length: int) -> None:
    message = refused(gzip.compress(SAMPLE[:length]))
    assert position(message) == length
    assert "of the decompressed data" in message


@pytest.mark.parametrize("length", range(2, len(gzip.compress(SAMPLE))))
def test_truncated_gzip(length: int) -> None:
    message = refused(gzip.compress(SAMPLE)[:length])
    assert position(message) == length
    assert "the rest of the gzip stream" in message


@pytest.mark.parametrize("extra", [1, 7, 100_000])
def test_oversized(extra: int) -> None:
    assert f"found {extra} more bytes" in (raw := refused(SAMPLE + bytes(extra)))
    assert position(raw) == len(SAMPLE)
    assert position(refused(gzip.compress(SAMPLE + bytes(extra)))) == len(SAMPLE)


@pytest.mark.parametrize(
    "rubbish", [b"\0", b"rubbish", gzip.compress(SAMPLE)], ids=["zero", "text", "member"]
)
def test_rubbish_after_the_gzip_stream(rubbish: bytes) -> None:
    content = gzip.compress(SAMPLE)
    message = refused(content + rubbish)
    assert position(message) == len(content)
    assert f"{len(rubbish)} more bytes" in message


@pytest.mark.parametrize(
    ("content", "at", "found"),
    [
        (b"PK\3\4", 0, "50 4b"),
        (b"\0\1\x08\1", 0, "00 01"),
        (b"<", 0, "3c"),
        (b"\0\0\x0a\1\0\0\0\0", 2, "0a"),
        (b"\0\0\x08\0", 3, "0"),
        (b"\0\0\x08\x21" + bytes(132), 3, "33"),
    ],
)
@pytest.mark.parametrize("wrap", [gzip.compress, bytes])
def test_wrong_header(content: bytes, at: int, found: str, wrap: Callable[[bytes], bytes]) -> None:
    message = refused(wrap(content))
    assert position(message) == at
    assert message.endswith(f"but found {found}")


@pytest.mark.parametrize(
    "sizes",
    [(2**32 - 1,) * 32, (0, 2**32 - 1, 2**32 - 1, 2**32 - 1), (2**30 + 1,)],
)
@pytest.mark.parametrize("wrap", [gzip.compress, bytes])
def test_absurd_sizes(sizes: tuple[int, ...], wrap: Callable[[bytes], bytes]) -> None:
    content = bytes([0, 0, 0x0E, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)
    assert position(refused(wrap(content))) == 4


def test_a_declared_size_is_not_allocated() -> None:
    content = b"\0\0\x08\1" + struct.pack(">I", 2**30 - 8) + bytes(10)
    for wrapped in (content, gzip.compress(content)):
        tracemalloc.start()
        message = refused(wrapped)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert position(message) == len(content)
        assert peak < 2**20


@pytest.mark.parametrize("header", [SAMPLE[:12], b""])
def test_gzip_bomb_stops_early(header: bytes) -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = squeeze.compress(header)
    bomb += b"".join(squeeze.compress(bytes(2**20)) for _ in range(300)) + squeeze.flush()
    tracemalloc.start()
    refused(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 * 2**20  # of 300 MB


def test_every_changed_byte_of_a_gzip_file_is_noticed(as_idx: AsIdx) -> None:
    """But for the free fields of the wrapper: time, extra flags, operating system."""
    values = np.random.default_rng(0).integers(0, 256, 300, dtype=np.uint8)
    content = gzip.compress(as_idx(values))
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 0xFF
        if 4 <= at <= 9:
            np.testing.assert_array_equal(decode_idx(bytes(changed), "changed"), values)
        else:
            refused(bytes(changed))


def test_corrupt_gzip_is_located_to_the_byte(as_idx: AsIdx) -> None:
    values = np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8)
    content = bytearray(gzip.compress(as_idx(values)))
    content[-8] ^= 1  # the checksum's first byte
    message = refused(bytes(content))
    assert len(content) - 8 <= position(message) < len(content) - 4
    assert "incorrect data check" in message


@given(st.binary(max_size=200), st.sampled_from([b"", b"\0\0", b"\0\0\x08\1", b"\x1f\x8b\x08\0"]))
def test_arbitrary_bytes_never_raise_anything_else(content: bytes, start: bytes) -> None:
    with contextlib.suppress(InputError):
        decode_idx(start + content, "made")


def test_unreadable_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (tmp_path, tmp_path / "none", tmp_path / ("x" * 5000)):
        with pytest.raises(InputError, match="cannot be read"):
            read_idx(path)
    monkeypatch.setattr(idx, "MAX_BYTES", 10)
    (tmp_path / "large").write_bytes(SAMPLE)
    with pytest.raises(InputError, match=r"large: at byte 10, .* found 14 more bytes"):
        read_idx(tmp_path / "large")
