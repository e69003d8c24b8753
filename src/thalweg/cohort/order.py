"""The order in which a run sees its training examples."""

from collections.abc import Sequence

import torch
from torch import Tensor

from thalweg.randomness import by_seed


def epoch_order(seeds: Sequence[int], epoch: int, examples: int) -> Tensor:
    """Return the permutations of one epoch.

    Each is a pure function of ``(seed, epoch)``, so a resumed run needs no saved generator, and
    arms that share a seed see the same examples in the same order.

    Returns:
        ``(N,)`` if all runs have one seed, else ``(K, N)``; int64.
    """
    return by_seed(seeds, lambda stream: torch.randperm(examples, generator=stream), "order", epoch)
