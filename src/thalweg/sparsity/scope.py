"""Which weights a sparsity is about."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from thalweg.cohort import Layout
from thalweg.errors import InputError


def columns(layout: Layout, patterns: Sequence[str]) -> Tensor:
    """Return the columns of the parameters whose names match a pattern, in order.

    Args:
        layout: Of the network.
        patterns: Shell-style patterns such as ``"fc*.weight"``.

    Raises:
        InputError: A pattern matches no parameter.
    """
    found = set()
    for pattern in patterns:
        names = [name for name in layout.names if fnmatchcase(name, pattern)]
        if not names:
            raise InputError(
                f"sparsity.parameters: {pattern!r} matches none of {', '.join(layout.names)}"
            )
        found.update(names)
    parts = [torch.arange(s.start, s.stop) for name, s in layout.slices.items() if name in found]
    return torch.cat(parts)
