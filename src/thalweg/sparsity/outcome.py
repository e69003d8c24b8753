"""What a sparse training ended with, for its record."""

import copy
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from thalweg.cohort import Cohort
from thalweg.errors import InputError
from thalweg.sparsity.connectivity import connectivity


def describe(
    cohort: Cohort, row: int, names: Sequence[str], shape: tuple[int, ...]
) -> dict[str, Any]:
    """Return how many weights of a run are nonzero, and what that leaves of its network.

    Args:
        cohort: The networks, at the weights at which they are judged.
        row: Of the run.
        names: Parameters that its sparsity is about.
        shape: Of one input.

    Returns:
        ``weights`` and ``nonzero`` of these parameters, ``layers`` with both of each, and, for
        networks that `connectivity` can read, its figures of all weights under ``connectivity``.
    """
    views = cohort.layout.views(cohort.W[row])
    layers = {
        name: {"weights": views[name].numel(), "nonzero": int(views[name].count_nonzero())}
        for name in names
    }
    found: dict[str, Any] = {
        key: sum(layer[key] for layer in layers.values()) for key in ("weights", "nonzero")
    }
    module = copy.deepcopy(cohort.module)
    module.load_state_dict(cohort.state(row), strict=False)
    with suppress(InputError):  # a stranger's network: its paths cannot be followed
        found["connectivity"] = connectivity(module.cpu(), shape).as_dict()
    return {**found, "layers": layers}
