"""What a sparse training ended with, for its record."""

from collections.abc import Iterator, Sequence
from typing import Any

from thalweg.cohort import Cohort
from thalweg.errors import InputError
from thalweg.sparsity.connectivity import count, read_architecture


def describe(
    cohort: Cohort, names: Sequence[Sequence[str]], shape: tuple[int, ...]
) -> Iterator[dict[str, Any]]:
    """Yield for every run how many weights are nonzero, and what that leaves of its network.

    Args:
        cohort: The networks, at the weights at which they are judged.
        names: For every run the parameters that its sparsity is about.
        shape: Of one input.

    Yields:
        ``weights`` and ``nonzero`` of these parameters, ``layers`` with both of each, and, for
        networks that `connectivity` can read, its figures of all weights under ``connectivity``.
    """
    try:
        architecture = read_architecture(cohort.module, shape)
    except InputError:  # a stranger's network: its paths cannot be followed
        architecture = None
    for row, chosen in enumerate(names):
        weights = {name: tensor.cpu() for name, tensor in cohort.state(row).items()}
        layers = {
            name: {"weights": weights[name].numel(), "nonzero": int(weights[name].count_nonzero())}
            for name in chosen
        }
        found: dict[str, Any] = {
            key: sum(layer[key] for layer in layers.values()) for key in ("weights", "nonzero")
        }
        if architecture is not None:
            found["connectivity"] = count(architecture.network(weights)).as_dict()
        yield {**found, "layers": layers}
