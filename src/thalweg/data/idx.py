"""Reader of IDX, the format of MNIST and its relatives.

The format is the one on the MNIST page (http://yann.lecun.com/exdb/mnist/): two zero bytes, a type
code, the number of dimensions, one big-endian uint32 a dimension, then the data, big-endian. Files
come raw or as one gzip member (RFC 1952); the first bytes tell which, whatever the name says.
"""

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from thalweg.errors import InputError

TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
MAX_DIMENSIONS = 32  # of an array in NumPy 1
# Twice the largest IDX file in common use (EMNIST by class, 547 MB). It stops the gzip bomb that
# declares its size truthfully; one that does not is stopped by its own header.
MAX_BYTES = 2**30
GZIP_MAGIC = b"\x1f\x8b"
# DEFLATE expands at most 1032-fold, so at most 17 MB come out between two checks.
CHUNK = 2**14
INSIDE_GZIP = " of the decompressed data"


@dataclass(frozen=True)
class Header:
    """Type and shape of an IDX array; its data are the bytes from ``start`` to ``end``."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def start(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def end(self) -> int:
        return self.start + math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{'×'.join(map(str, self.shape))} {self.dtype.name}"


def read_idx(path: Path) -> NDArray[Any]:
    """Read an IDX file, raw or gzipped.

    Returns:
        A writable array in native byte order, of the shape and type that the header declares.

    Raises:
        InputError: The file cannot be read, or is not exactly one IDX array.
    """
    return decode_idx(read_raw(path), str(path))


def read_raw(path: Path) -> bytes:
    """Read the raw bytes of an IDX file: decompressed, header and length checked.

    Raises:
        InputError: The file cannot be read, or is not exactly one IDX array.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            _fail(str(path), MAX_BYTES, "the end of the file", f"{size - MAX_BYTES} more bytes")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return _expand(content, str(path))[0]


def decode_idx(content: bytes, source: str) -> NDArray[Any]:
    """Decode the content of an IDX file, raw or gzipped.

    Args:
        content: All bytes of the file.
        source: What the file is called in messages.

    Returns:
        A writable array in native byte order, of the shape and type that the header declares.

    Raises:
        InputError: The content is not exactly one IDX array.
    """
    raw, header = _expand(content, source)
    values = np.frombuffer(raw, header.dtype, offset=header.start).reshape(header.shape)
    return values.astype(header.dtype.newbyteorder("="))


def _expand(content: bytes, source: str) -> tuple[bytes, Header]:
    """Return the raw IDX bytes of a file's content, and their header.

    Nothing is allocated on the word of the header: its sizes are compared with the bytes there
    are, and decompression stops as soon as more came out than the header declares.
    """
    if content[:2] == GZIP_MAGIC:
        return _gunzip(content, source)
    header = _header(content, source)
    if header is None or len(content) < header.end:
        _fail_short(source, len(content), header)
    if len(content) > header.end:
        _fail(source, header.end, "the end of the file", f"{len(content) - header.end} more bytes")
    return content, header


def _gunzip(content: bytes, source: str) -> tuple[bytes, Header]:
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS + 16)  # + 16: gzip with its checksum
    raw = bytearray()
    header = None
    consumed = 0
    while consumed < len(content) and not inflate.eof:
        chunk = content[consumed : consumed + CHUNK]
        before = inflate.copy()
        try:
            raw += inflate.decompress(chunk)
        except zlib.error as error:
            reason = str(error).rpartition(": ")[2]
            _fail(source, consumed + _first_bad(before, chunk), "valid gzip data", f"an {reason}")
        consumed += len(chunk) - len(inflate.unused_data)
        header = header or _header(raw, source, INSIDE_GZIP)
        if header is not None and len(raw) > header.end:
            wanted = f"the end of the data ({header})"
            _fail(source, header.end, wanted, "more bytes", INSIDE_GZIP)
    if not inflate.eof:
        _fail(source, consumed, "the rest of the gzip stream", "the end of the file")
    if consumed < len(content):
        more = f"{len(content) - consumed} more bytes after the gzip stream"
        _fail(source, consumed, "the end of the file", more)
    if header is None or len(raw) < header.end:
        _fail_short(source, len(raw), header, INSIDE_GZIP)
    return bytes(raw), header


def _first_bad(inflate: "zlib._Decompress", chunk: bytes) -> int:
    """Return the position in ``chunk`` of the byte at which decompression fails."""
    for position in range(len(chunk)):
        try:
            inflate.decompress(chunk[position : position + 1])
        except zlib.error:
            return position
    return len(chunk)


def _header(raw: bytes | bytearray, source: str, where: str = "") -> Header | None:
    """Parse the header; None where the bytes end inside it."""
    magic = bytes(raw[:2])
    if magic != b"\0\0"[: len(magic)]:
        wanted = "two zero bytes (IDX)" + ("" if where else " or 1f 8b (gzip)")
        _fail(source, 0, wanted, magic.hex(" "), where)
    if len(raw) > 2 and raw[2] not in TYPES:
        codes = ", ".join(f"{code:02x}" for code in TYPES)
        _fail(source, 2, f"a type code ({codes})", f"{raw[2]:02x}", where)
    if len(raw) > 3 and not 1 <= raw[3] <= MAX_DIMENSIONS:
        _fail(source, 3, f"1 to {MAX_DIMENSIONS} dimensions", str(raw[3]), where)
    if len(raw) < 4 or len(raw) < 4 + 4 * raw[3]:
        return None
    sizes = np.frombuffer(bytes(raw[4 : 4 + 4 * raw[3]]), ">u4")
    header = Header(TYPES[raw[2]], tuple(map(int, sizes)))
    # Empty dimensions count as one: NumPy refuses a shape whose other sizes overflow.
    if math.prod(max(size, 1) for size in header.shape) * header.dtype.itemsize > MAX_BYTES:
        _fail(source, 4, f"sizes of at most {MAX_BYTES} bytes in all", str(header), where)
    return header


def _fail_short(source: str, length: int, header: Header | None, where: str = "") -> NoReturn:
    wanted = f"{header.end} bytes in all ({header})" if header else "the rest of the IDX header"
    _fail(source, length, wanted, f"the end of the {'data' if where else 'file'}", where)


def _fail(source: str, position: int, wanted: str, found: str, where: str = "") -> NoReturn:
    raise InputError(f"{source}: at byte {position}{where}, expected {wanted} but found {found}")
