"""Which parameters of a module are to be pruned."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.conv import _ConvNd

from thalweg.errors import InputError

RECURRENT = re.compile(r"weight_[a-z]+(?:_(l\d+)(?:_reverse)?)?")
"""A recurrent module's weights, such as ``weight_hh_l0``; the group is its layer."""


def prunable(
    model: nn.Module,
    patterns: str | Sequence[str] | None = None,
    first: bool = True,
    last: bool = True,
) -> list[str]:
    """Return the names of the parameters to prune, in the order of ``model.named_parameters()``.

    By default these are the weights of Linear and convolution layers and all weight matrices of
    RNN, LSTM and GRU layers and their cells, frozen ones too; not biases, norms or embeddings. A
    tied parameter counts once, under its first name.

    Args:
        model: The network.
        patterns: Shell-style patterns, such as ``"fc*.weight"``, of the names to take instead.
        first: Whether the weights of the first layer that has such weights, in the module's order,
            are among them. Each level of a multilayer RNN is a layer.
        last: The same for the last layer.

    Raises:
        InputError: A pattern matches no parameter, or nothing is left.
    """
    names = [name for name, _ in model.named_parameters()]
    layers = {name: layer for name in names if (layer := _layer(model, name)) is not None}
    if patterns is None:
        chosen = set(layers)
        if not chosen:
            raise InputError(
                "parameters: the model has no weights of Linear, convolution or recurrent layers; "
                f"choose by pattern among {', '.join(names) or 'none'}"
            )
    else:
        chosen = matching([patterns] if isinstance(patterns, str) else patterns, names)
    ordered = list(layers.values())
    left_out = [*([] if first else ordered[:1]), *([] if last else ordered[-1:])]
    kept = [name for name in names if name in chosen and layers.get(name) not in left_out]
    if not kept:
        raise InputError(
            f"parameters: nothing is left of {', '.join(n for n in names if n in chosen) or 'none'}"
            " without the first or the last layer"
        )
    return kept


def _layer(model: nn.Module, name: str) -> str | None:
    """Return the name of the layer that a weight belongs to, None if it is no prunable weight."""
    path, _, leaf = name.rpartition(".")
    owner = model.get_submodule(path)
    if isinstance(owner, nn.Linear | _ConvNd):
        return path if leaf == "weight" else None
    if isinstance(owner, nn.RNNBase | nn.RNNCellBase):
        match = RECURRENT.fullmatch(leaf)
        return f"{path}.{match[1]}" if match else None
    return None


def matching(patterns: Sequence[str], names: Sequence[str]) -> set[str]:
    """Return the names that shell-style patterns match.

    Raises:
        InputError: A pattern matches none.
    """
    found = set()
    for pattern in patterns:
        matched = [name for name in names if fnmatchcase(name, pattern)]
        if not matched:
            raise InputError(
                f"parameters: {pattern!r} matches none of {', '.join(names) or 'none'}"
            )
        found.update(matched)
    return found
