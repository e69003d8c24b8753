"""Networks whose task is not named, for measurements that look at no example."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.data import Task
from thalweg.data.splits import Split
from thalweg.errors import InputError
from thalweg.models import build_model
from thalweg.spec.named import split_name

IMAGE = (1, 28, 28)
"""Shape of an input that is tried first."""

CLASSES = 10


def fitting_network(model: Any, tensors: Mapping[str, Tensor]) -> tuple[nn.Module, Task]:
    """Return a network for the tensors of a file, and a task that has no examples but a blank one.

    Its inputs are images of 1×28×28, and its outputs ten, unless the tensors fit others only: the
    rows of the last matrix are the outputs, and an input has as many features, or an image as many
    rows and columns, as the first has columns.

    Args:
        model: Name or table of the network.
        tensors: By parameter name.

    Raises:
        InputError: An unknown model, or one that cannot be built for such inputs.
    """
    name, options = split_name(model, "--model")

    def build(shape: tuple[int, ...], outputs: int) -> nn.Module:
        return build_model(name, options, shape, outputs, 0, None)

    usual = build(IMAGE, CLASSES)
    names = [key for key, parameter in usual.named_parameters() if parameter.ndim > 1]
    matrices = [tensors[key] for key in names if key in tensors and tensors[key].ndim > 1]
    if not matrices or _fits(usual, tensors):
        return usual, _blank(IMAGE, CLASSES)
    columns, outputs = matrices[0].shape[1], len(matrices[-1])
    for shape in (IMAGE, (columns,), (1, columns, columns)):
        try:
            module = build(shape, outputs)
        except InputError:
            continue
        if _fits(module, tensors):
            return module, _blank(shape, outputs)
    return usual, _blank(IMAGE, CLASSES)  # whoever loads the tensors says what does not fit


def _fits(module: nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    shapes = {key: parameter.shape for key, parameter in module.named_parameters()}
    return all(tensors[key].shape == shape for key, shape in shapes.items() if key in tensors)


def _blank(shape: tuple[int, ...], outputs: int) -> Task:
    classes = tuple(str(number) for number in range(outputs))
    example = Split(torch.zeros(1, *shape), torch.zeros(1, dtype=torch.int64))
    return Task("blank", "cross_entropy", outputs, classes, example, None, example)
