"""Masks as pictures: which weights are kept, and in which round the others went."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from torch import Tensor

from thalweg.report.charts import Chart, Picture, Words
from thalweg.report.formats import clipped
from thalweg.report.graphs.subjects import MOST_LAYERS, Masked, Place, short
from thalweg.report.graphs.tiles import GAP, HEADING, Tile, enlarged, shade, sheet, thinned
from thalweg.report.palette import COLOURS, RELIEF
from thalweg.report.pixels import Pixels
from thalweg.report.rounds import kept_text
from thalweg.store.slug import slug

SMALLEST_IMAGE = 8
"""Side from which on inputs whose number is a square, or three, may be an image."""

KEPT = COLOURS[1]
"""Of a weight that is still there; no colour of the rounds is near it."""

ROUNDS = (0.85, 0.0)
"""Ends of the scale of the rounds, from the first to the last."""

KEY = 0.5
"""Height of the key to the rounds with what stands over it, of the width of a picture."""


def mask_chart(subject: Masked, place: Place) -> Chart:
    """Return a picture of every matrix of a network's masks, and of the degrees of its inputs if
    they may be the pixels of an image.
    """
    matrices = _matrices(subject.masks)
    tiles = [
        Tile(
            f"{clipped(short(name), 22)}, {kept_text(_kept(mask))}",
            shade(tiled(mask).astype(float)),
        )
        for name, mask in matrices.items()
    ]
    degrees = input_image(subject.masks)
    caption = "Blue is kept. Rows are a layer's units, columns what they read; kernels of a "
    caption += "convolution stand side by side, a row of them an output channel."
    if degrees is not None:
        side = " × ".join(map(str, degrees.shape))
        most = int(degrees.max())
        tiles.insert(0, Tile(f"inputs, {side}", shade(degrees / max(most, 1))))
        caption += f" “inputs”: how many units read each pixel, the darkest {most}."
    made = sheet(tiles)
    return Chart(
        name=slug("masks", *place.parts, subject.name),
        title=place.titled(_of(subject, "mask")),
        description="Pictures of the mask of every matrix of weights; kept are "
        + "; ".join(f"{kept_text(_kept(mask))} of {name}" for name, mask in matrices.items())
        + ".",
        caption=subject.note + caption,
        x=made.x,
        y=made.y,
        layers=made.layers,
        height=made.height,
        legend=False,
        bare=True,
    )


def evolution_chart(subject: Masked, place: Place) -> Chart:
    """Return the same matrices, every weight in the colour of the round in which it was pruned."""
    numbers = [number for number, _ in subject.rounds]
    matrices = _matrices(subject.masks)
    tiles, words = [], []
    for name, last in matrices.items():
        gone = tiled(went(subject, name))
        tiles.append(
            Tile(
                f"{clipped(short(name), 22)}, {kept_text(_kept(last))}",
                _coloured(gone, len(numbers)),
            )
        )
        shares = [np.mean(gone[gone >= 0] == index) for index in range(len(numbers))]
        words.append(f"{name} {', '.join(kept_text(float(share)) for share in shares)}")
    made = sheet(tiles, KEY)
    assert made.y.limits is not None
    return Chart(
        name=slug("evolution", *place.parts, subject.name),
        title=place.titled(_of(subject, "rounds in which weights were pruned")),
        description="Pictures of every matrix of weights; pruned in rounds "
        f"{', '.join(map(str, numbers))}: {'; '.join(words)}.",
        caption=f"{subject.note}Each weight in the colour of the round that pruned it, from green, "
        "the first, to violet; orange are those still kept.",
        x=made.x,
        y=made.y,
        layers=(*made.layers, *_key(numbers, made.y.limits[0])),
        height=made.height,
        legend=False,
        bare=True,
    )


def went(subject: Masked, name: str) -> NDArray[np.int64]:
    """Return for each weight the position, among the rounds, of the first whose mask lacks it; how
    many they are if all have it.
    """
    kept = np.stack([masks[name].cpu().numpy() for _, masks in subject.rounds])
    found: NDArray[np.int64] = np.where(kept.all(0), len(kept), kept.argmin(0))
    return found


def tiled(values: NDArray[np.generic] | Tensor) -> NDArray[np.int64]:
    """Return an array of weights as a picture: a matrix as it is; kernels side by side, a row an
    output channel, with −1 between them. Those that read one channel fill a square.
    """
    array = np.asarray(values, dtype=np.int64)
    if array.ndim == 2:
        return array
    outputs, inputs, *kernel = array.shape
    height, width = (1, kernel[0]) if len(kernel) == 1 else (kernel[0], math.prod(kernel[1:]))
    array = array.reshape(outputs, inputs, height, width)
    if inputs == 1:
        columns = math.ceil(math.sqrt(outputs))
        missing = -outputs % columns
        array = np.concatenate([array, np.full((missing, *array.shape[1:]), -1)])
        array = array.reshape(-1, columns, height, width)
    rows, columns = array.shape[:2]
    found = np.full((rows, height + 1, columns, width + 1), -1, np.int64)
    found[:, :height, :, :width] = array.transpose(0, 2, 1, 3)
    return found.reshape(rows * (height + 1), -1)[:-1, :-1]


def input_image(masks: Mapping[str, Tensor]) -> NDArray[np.float64] | None:
    """Return the out-degrees of a network's inputs laid out as an image, if the first mask is of a
    matrix that reads a square number of them, or three squares: channels, which are added.
    """
    first = next(iter(masks.values()))
    if first.ndim != 2:
        return None
    degrees = first.cpu().numpy().sum(0).astype(np.float64)
    for channels in (1, 3):
        side = math.isqrt(len(degrees) // channels)
        if side >= SMALLEST_IMAGE and channels * side * side == len(degrees):
            image: NDArray[np.float64] = degrees.reshape(channels, side, side).sum(0)
            return image
    return None


def _matrices(masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {name: mask for name, mask in masks.items() if mask.ndim > 1}
    return dict(list(found.items())[:MOST_LAYERS])


def _kept(mask: Tensor) -> float:
    return float(mask.double().mean())


def _of(subject: Masked, text: str) -> str:
    return f"{subject.name}: {text}" if subject.name else text.capitalize()


def _scale(rounds: int) -> Pixels:
    """Return the colours of the rounds, and last that of what is kept."""
    places = np.linspace(*ROUNDS, rounds) if rounds > 1 else np.array([ROUNDS[0]])
    kept = [int(KEPT[i : i + 2], 16) for i in (1, 3, 5)]
    found: Pixels = np.vstack([np.round(255 * colormaps[RELIEF](places)), [[*kept, 255]]]).astype(
        np.uint8
    )
    return found


def _coloured(gone: NDArray[np.int64], rounds: int) -> Pixels:
    """Return the picture; transparent where there is no weight."""
    found: Pixels = np.vstack([_scale(rounds), [[0, 0, 0, 0]]]).astype(np.uint8)[thinned(gone)]
    return found


def _key(numbers: Sequence[int], bottom: float) -> tuple[Picture, Words]:
    """Return a strip of the colours under their rounds."""
    colours = _scale(len(numbers))
    width = min(2 + GAP, 0.3 * len(colours))
    step = width / len(colours)
    every = math.ceil(0.2 / step)
    places = [index for index in range(len(numbers)) if index % every == 0]
    texts = [str(numbers[index]) for index in places]
    top = bottom + KEY - HEADING - GAP
    return (
        Picture(enlarged(colours[None]), (0.0, width), (top - 0.12, top)),
        Words(
            [*(index * step for index in places), len(numbers) * step],
            [top] * (len(places) + 1),
            [*texts, "kept"],
        ),
    )
