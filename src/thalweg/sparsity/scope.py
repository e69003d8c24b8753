"""Which weights a sparsity is about."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from thalweg.cohort import Layout
from fnmatch import fnmatchcase

from thalweg.errors import InputError


def prunable_names(module: nn.Module, patterns: Sequence[str]) -> set[str]:
    found = set()
    every = [name for name, _ in module.named_parameters()]
    for pattern in patterns or ["*.weight*"]:
        names = [name for name in every if fnmatchcase(name, pattern)]
        if not names:
            raise InputError(f"sparsity.parameters: {pattern!r} matches none of {', '.join(every)}")
        found.update(names)
    return found


def columns(module: nn.Module, layout: Layout, patterns: Sequence[str]) -> Tensor:
    """Return the columns of the chosen parameters, in order.

    Args:
        module: The architecture.
        layout: Of its rows.
        patterns: Shell-style patterns such as ``"fc*.weight"``; none for the weights of linear,
            convolutional and recurrent layers.

    Raises:
        InputError: A pattern matches no parameter, or there is nothing to choose from.
    """
    found = prunable_names(module, patterns)
    parts = [torch.arange(s.start, s.stop) for name, s in layout.slices.items() if name in found]
    return torch.cat(parts)
