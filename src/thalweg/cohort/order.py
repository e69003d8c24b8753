"""The order in which a run sees its training examples."""

from collections.abc import Sequence

import torch
from torch import Tensor

from thalweg.randomness import generator


def epoch_order(seeds: Sequence[int], epoch: int, examples: int) -> Tensor:
    """Return the permutations of one epoch.

    Each is a pure function of ``(seed, epoch)``, so a resumed run needs no saved generator, and
    arms that share a seed see the same examples in the same order.

    Returns:
        ``(N,)`` if all runs have one seed, else ``(K, N)``; int64.
    """
    unique = {
        seed: torch.randperm(examples, generator=generator(seed, "order", epoch))
        for seed in set(seeds)
    }
    if len(unique) == 1:
        return unique[seeds[0]]
    return torch.stack([unique[seed] for seed in seeds])
