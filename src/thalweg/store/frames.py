"""A frame in the library that asks for it."""

from typing import Any, Literal

import polars as pl
from polars import CompatLevel

from thalweg.errors import InputError

Library = Literal["polars", "pandas", "arrow"]


def as_frame(frame: pl.DataFrame, library: Library) -> Any:
    """Return a frame as that of another library; what is null stays null, and no type changes.

    Args:
        frame: The frame.
        library: "polars"; "pandas", whose columns are then backed by Arrow, because NumPy's whole
            numbers cannot be null; "arrow", a `pyarrow.Table`.

    Raises:
        InputError: There is no such library here, or pandas is not installed.
    """
    if library == "polars":
        return frame
    if library == "arrow":
        return frame.to_arrow(compat_level=CompatLevel.oldest())  # views are not read everywhere
    if library != "pandas":
        raise InputError(f"as_={library!r}: must be polars, pandas or arrow")
    try:
        return frame.to_pandas(use_pyarrow_extension_array=True)
    except ModuleNotFoundError:
        raise InputError(
            "as_='pandas': needs the package pandas; install it with pip install 'thalweg[pandas]'"
        ) from None
