"""Arrays as images."""

import io
from typing import Any

import matplotlib.image
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def picture_png(pixels: Pixels) -> bytes:
    """Return red, green, blue and opacity, ``(rows, columns, 4)``, as a PNG file."""
    buffer = io.BytesIO()
    metadata: Any = {"Software": None}  # the same picture is the same file with any version
    matplotlib.image.imsave(buffer, pixels, format="png", metadata=metadata)
    return buffer.getvalue()
