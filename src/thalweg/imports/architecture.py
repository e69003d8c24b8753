"""Which of our networks a stranger's weights are of, and what its parameters are called there."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.models import MODELS, build_model
from thalweg.spec import Named
from thalweg.spec.named import split_name
from thalweg.spec.run import parse_named

RECOGNISED = ("rnn", "lenet5", "lenet5-tanh")
"""Models whose weights are recognised by their shapes, in the order in which they are tried."""

IMAGE = (1, 28, 28)

Names = dict[str, str]
"""Names of parameters in our network, by those that a file has for them."""


@dataclass(frozen=True)
class Recognised:
    """What weights are of.

    Attributes:
        model: The network, with all its options.
        names: What its parameters and buffers are called here, by the names in the file.
        shapes: Theirs here, by our names.
        parameters: How many numbers are trained.
    """

    model: Named
    names: Names
    shapes: Mapping[str, torch.Size]
    parameters: int

    def ours(self, name: str, tensor: Tensor) -> tuple[str, Tensor]:
        """Return our name of weights, or of their mask, and them in the shape they have here."""
        return self.names[name], tensor.reshape(self.shapes[self.names[name]])


def recognise(where: str, weights: Mapping[str, Tensor], told: Any) -> Recognised:
    """Return the model that weights are of.

    Names need not be ours: a parameter is the one whose name ends alike (``weight``,
    ``weight_hh_l0``) and that has its shape; where several have, they stand in the same order. A
    convolution that covers all of its input is the linear layer that it equals.

    Args:
        where: The file, for the message.
        weights: By its own names.
        told: Name or table of the model; None to try those of `RECOGNISED`. The sizes of an
            ``rnn`` are taken from the weights where the table leaves them out.

    Raises:
        InputError: They fit no such model.
    """
    wanted = [told] if told is not None else list(RECOGNISED)
    for each in wanted:
        name, options = split_name(each, "--model")
        sizes = _recurrent_sizes(weights)
        if told is None and (name == "rnn") != bool(sizes):
            continue
        if name == "rnn":
            options = {**sizes, **options}
        model = parse_named(MODELS, {"name": name, **options}, "--model")
        for module in _candidates(model, weights):
            own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
            names = _match(own, weights) or _match(own, _flattened(own, weights))
            if names is not None:
                shapes = {name: tensor.shape for name, tensor in own.items()}
                count = sum(parameter.numel() for parameter in module.parameters())
                return Recognised(model, names, shapes, count)
    allowed = " or ".join(str(each) for each in wanted)
    other = "" if told is not None else ", or another that --model names"
    raise InputError(f"{where}: its shapes fit no {allowed}{other}; it has {_few(weights)}")


def _recurrent_sizes(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Return hidden units and layers of the recurrent network that weights are of."""
    states = [value for name, value in weights.items() if re.search(r"weight_hh_l\d+$", name)]
    return {"hidden": states[0].shape[-1], "layers": len(states)} if states else {}


def _candidates(model: Named, weights: Mapping[str, Tensor]) -> Iterator[nn.Module]:
    """Yield the model at the sizes of inputs and outputs that the weights may have."""
    matrices = [value for value in weights.values() if value.ndim == 2]
    for outputs in dict.fromkeys(len(matrix) for matrix in reversed(matrices)):
        columns = dict.fromkeys(matrix.shape[1] for matrix in matrices)
        for shape in (IMAGE, *((c,) for c in columns), *((1, c, c) for c in columns)):
            try:
                yield build_model(model.name, dict(model.options), shape, outputs, 0, None)
            except InputError:  # the model takes no such inputs
                continue


def _flattened(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with those of convolutions that the network has not as matrices."""
    known = {tensor.shape for tensor in own.values()}
    return {
        name: value.flatten(1) if value.ndim == 4 and value.shape not in known else value
        for name, value in weights.items()
    }


def _match(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Names | None:
    """Return what our names of the weights are; None if they are not those of the network."""
    if {n: t.shape for n, t in own.items()} == {n: t.shape for n, t in weights.items()}:
        return {name: name for name in own}
    keys, theirs = _keys(own), _keys(weights)
    if Counter(keys.values()) != Counter(theirs.values()):
        return None
    if len(set(keys.values())) == len(keys):
        by_key = {key: name for name, key in keys.items()}
        return {name: by_key[key] for name, key in theirs.items()}
    if list(keys.values()) == list(theirs.values()):
        return dict(zip(weights, own, strict=True))
    return None


def _keys(named: Mapping[str, Tensor]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (name.rpartition(".")[2], tuple(value.shape)) for name, value in named.items()}


def rename(where: str, masks: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Names:
    """Return what the weights that masks are of are called in a network.

    Args:
        where: The file, for the message.
        masks: By its own names, which may leave the beginning of a name out.
        weights: Of the network, by the names in question.

    Raises:
        InputError: A mask is of no weight of the network, or of another shape.
    """
    found = {}
    for name, mask in masks.items():
        ends = [own for own in weights if own == name or own.endswith(f".{name}")]
        if len(ends) != 1:
            raise InputError(
                f"{where}: has a mask of {name!r}, which the weights have not ({_few(weights)})"
            )
        if weights[ends[0]].shape != mask.shape:
            raise InputError(
                f"{where}: the mask of {name!r} has shape {tuple(mask.shape)}, but must have that "
                f"of the weight, {tuple(weights[ends[0]].shape)}"
            )
        found[name] = ends[0]
    return found


def _few(tensors: Mapping[str, Tensor], most: int = 3) -> str:
    listed = [f"{name} {'×'.join(map(str, value.shape))}" for name, value in tensors.items()]
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")
