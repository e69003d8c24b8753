"""Pictures side by side, each under its name."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thalweg.report.charts import Axis, Layer, Picture, Words
from thalweg.report.palette import HEAT
from thalweg.report.pixels import Pixels

COLUMNS = 3

GAP = 0.12
"""Between two pictures, of the width of one."""

HEADING = 0.2
"""Height of a picture's name, of the width of a picture."""

FLATTEST = 1 / 4
"""Least ratio of a picture's sides; flatter matrices are stretched."""

MOST_PIXELS = 400
"""Along a side of a picture: no screen shows more of one of several."""

FEWEST_PIXELS = 200
"""Along the longer side: what is smaller is enlarged, so that its pixels stay squares."""

PAPER = 22
"""Opacity, of 255, where nothing is kept, so that a picture's extent is seen."""

ROW_HEIGHT = 180
"""Of a row of pictures, in CSS pixels."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture and its name."""

    title: str
    pixels: Pixels


@dataclass(frozen=True)
class Sheet:
    """Tiles put in order: layers of a bare chart, its axes, and its height in CSS pixels."""

    layers: tuple[Layer, ...]
    x: Axis
    y: Axis
    height: int


def sheet(tiles: Sequence[Tile], footer: float = 0.0) -> Sheet:
    """Put tiles in rows, with as much room below as ``footer`` times the width of one."""
    layers: list[Layer] = []
    x, y = [], []
    for index, tile in enumerate(tiles):
        row, column = divmod(index, COLUMNS)
        left, top = column * (1 + GAP), -row * (1 + HEADING + GAP / 2)
        height, width = tile.pixels.shape[:2]
        scale = 1 / max(height, width)
        width_, height_ = max(width * scale, FLATTEST), max(height * scale, FLATTEST)
        layers.append(Picture(enlarged(tile.pixels), (left, left + width_), (top - height_, top)))
        x.append(left)
        y.append(top)
    rows = math.ceil(len(tiles) / COLUMNS)
    low = -rows * (1 + HEADING + GAP / 2) + HEADING - footer
    right = COLUMNS + (COLUMNS - 1) * GAP
    return Sheet(
        (*layers, Words(x, y, [tile.title for tile in tiles])),
        Axis("", limits=(0.0, right)),
        Axis("", limits=(low, HEADING)),
        round(40 + ROW_HEIGHT * (HEADING - low) / (1 + HEADING)),
    )


def shade(shares: Floats) -> Pixels:
    """Return shares in [0, 1] as the heatmaps' colour on the paper, the more the darker; what is
    negative is nothing, and transparent.
    """
    kept, there = _averaged(np.maximum(shares, 0)), _averaged((shares >= 0).astype(np.float64))
    found = np.empty((*kept.shape, 4), np.uint8)
    found[..., :3] = [int(HEAT[i : i + 2], 16) for i in (1, 3, 5)]
    found[..., 3] = np.round((255 - PAPER) * kept + PAPER * there)
    return found


def thinned(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return every so many-th row and column, so that no side is longer than a picture's."""
    rows, columns = (_step(count) for count in values.shape)
    return values[::rows, ::columns]


def enlarged(pixels: Pixels) -> Pixels:
    """Return a small picture with each pixel repeated."""
    times = max(1, FEWEST_PIXELS // max(pixels.shape[:2]))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _averaged(shares: Floats) -> Floats:
    """Return means over blocks, so that no side is longer than a picture's."""
    for axis in (0, 1):
        step = _step(shares.shape[axis])
        starts = np.arange(0, shares.shape[axis], step)
        counts = np.diff([*starts, shares.shape[axis]])
        sums = np.add.reduceat(shares, starts, axis=axis)
        shares = sums / (counts[:, None] if axis == 0 else counts)
    return shares


def _step(count: int) -> int:
    return math.ceil(count / MOST_PIXELS)
