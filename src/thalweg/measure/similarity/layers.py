"""The features of each layer of a network."""

import torch
from torch import Tensor

from thalweg.errors import InputError
from thalweg.measure.activations import NAMES, activations
from thalweg.measure.subject import CHUNK, Subject

COMPARED = 1000
"""Examples on which layers are compared where nothing is said."""

FEWEST = 4
"""Examples that the unbiased estimator of HSIC needs."""


def compared_examples(subject: Subject, most: int = COMPARED) -> Tensor:
    """Return the numbers in the split of at most so many of the examples, evenly spread.

    Raises:
        InputError: There are fewer than four.
    """
    if subject.examples < FEWEST:
        raise InputError(
            f"examples = {subject.examples}: must be at least {FEWEST} to compare layers"
        )
    count = min(most, subject.examples)
    places = torch.arange(count, device=subject.index.device) * subject.examples // count
    return subject.index[places]


def layer_features(subject: Subject, row: int = 0, most: int = COMPARED) -> dict[str, Tensor]:
    """Return the features of each layer of a network, ``(n, units)``, by name and in order.

    A layer is a call of a nonlinearity (`thalweg.measure.activations.POINTWISE`), named by it and
    the number of the call, "relu 1"; of a fused recurrence ("rnn 1") each layer's state after the
    last step is one. The last are the outputs, "output". A feature map's pixel is a unit.

    Args:
        subject: The networks.
        row: Of the network.
        most: Of the subject's examples so many at most, evenly spread.
    """
    module = subject.network(row)
    inputs, _ = subject.split.batch(compared_examples(subject, most))
    parts: dict[str, list[Tensor]] = {}
    for chunk in inputs.split(CHUNK):
        found, outputs = activations(module, chunk, set(NAMES.values()))
        for number, (name, features) in enumerate(found, 1):
            parts.setdefault(f"{name} {number}", []).append(features)
        parts.setdefault("output", []).append(outputs.flatten(1))
    return {name: torch.cat(each) for name, each in parts.items()}
