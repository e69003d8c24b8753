"""All weights compared with all."""

from collections.abc import Mapping

import torch
from torch import Tensor

from thalweg.sparsity.allocation.counting import total
from thalweg.sparsity.allocation.scope import NoOptions, Scope
from thalweg.sparsity.masks import Masks
from thalweg.sparsity.selection import largest


def globally(scores: Mapping[str, Tensor], keep: float, options: NoOptions) -> Masks:
    """Return masks of the ⌊keep · N⌋ largest of all scores.

    Of equal scores the first are kept, in the order of parameters and then of entries.
    """
    chosen = largest(torch.cat([s.flatten() for s in scores.values()]), total(scores, keep))
    parts = chosen.split([s.numel() for s in scores.values()])
    return {name: part.view(s.shape) for (name, s), part in zip(scores.items(), parts, strict=True)}


GLOBAL = Scope("global", "the largest scores of all layers", "", NoOptions, globally)
