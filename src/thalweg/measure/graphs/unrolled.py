"""A convolution as the graph of its places: which it computes from which."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from thalweg.errors import InputError
from thalweg.native.layers import Layer

MOST_PLACES = 1 << 28
"""Pairs of places up to which a convolution is unrolled: a quarter of a GiB."""

AT_ONCE = 64
"""Places of the input that are followed side by side."""


def unrolled(name: str, kept: Tensor, layer: Layer, after: Sequence[Layer]) -> NDArray[np.bool_]:
    """Return which place of a convolution's output has an edge from which of its input, boolean
    ``(targets, sources)``.

    A place is a channel at a row and a column, in the order in which they are flattened. The
    output is what the layer hands on: behind poolings, a place is a window of the convolution's
    own, and has the edges of them all.

    Args:
        name: Of the weights.
        kept: Which of them are, ``(units, sources, rows, columns)``.
        layer: The convolution.
        after: The layers without weights behind it.

    Raises:
        InputError: There are too many places.
    """
    pools = [each for each in after if each.kind in ("max_pool", "average_pool")]
    sources = math.prod(layer.input)
    targets = math.prod(pools[-1].output if pools else layer.output)
    if sources * targets > MOST_PLACES:
        raise InputError(
            f'convolutions = "unrolled": {name!r} leads from {sources} places to {targets}, more '
            f'than {MOST_PLACES} pairs; must be "channels" for such a layer'
        )
    ones = kept.float()
    found = np.empty((targets, sources), np.bool_)
    for first in range(0, sources, AT_ONCE):
        places = torch.arange(first, min(first + AT_ONCE, sources))
        # What an image that is 1 at one place alone comes to wherever an edge leads.
        images = torch.zeros(len(places), sources).scatter_(1, places[:, None], 1)
        values = conv2d(images.view(-1, *layer.input), ones, None, layer.stride, layer.padding)
        for pool in pools:
            values = max_pool2d(values, pool.kernel, pool.stride, pool.padding)
        found[:, first : first + len(places)] = (values.flatten(1) > 0).numpy().T
    return found
