"""From scores to masks."""

import math
from collections.abc import Mapping

from torch import Tensor

from thalweg.errors import InputError
from thalweg.registry import Registry
from thalweg.sparsity.allocation.counting import available, total
from thalweg.sparsity.allocation.erk import ERK
from thalweg.sparsity.allocation.globally import GLOBAL
from thalweg.sparsity.allocation.igq import IGQ
from thalweg.sparsity.allocation.layerwise import LAYERWISE
from thalweg.sparsity.allocation.n_of_m import NM
from thalweg.sparsity.allocation.scope import Scope
from thalweg.sparsity.masks import Masks
from thalweg.sparsity.named import Named, resolve

SCOPES: Registry[Scope] = Registry("scope")
for _own in (GLOBAL, LAYERWISE, ERK, IGQ, NM):
    SCOPES.add(_own.name, _own.summary, _own.options, _own)


def select(
    scores: Mapping[str, Tensor],
    keep: float,
    scope: Named = "global",
    within: Mapping[str, Tensor] | None = None,
) -> Masks:
    """Return masks of exactly ⌊keep · N⌋ of the N scored weights.

    Args:
        scores: By parameter name, the higher the sooner kept; of equal ones the first are.
        keep: Fraction of all scored weights that stays, 0 to 1.
        scope: A name of `SCOPES`, or a table of the name and its options.
        within: Masks of the weights that may be kept, for pruning in several rounds; by default
            all may. ``keep`` remains a fraction of all.

    Returns:
        Boolean tensors, shaped as the scores.

    Raises:
        InputError: An unknown scope, a number that is not allowed, scores that are not finite, or
            too few weights within the masks.
    """
    if not 0 <= keep <= 1:
        raise InputError(f"keep = {keep!r}: must be at least 0 and at most 1")
    chosen, options = resolve(SCOPES, scope)
    for name, values in scores.items():
        if not bool(values.isfinite().all()):
            raise InputError(f"scores of {name!r}: must be finite numbers")
    if within is not None:
        scores = {name: s.masked_fill(~within[name], -math.inf) for name, s in scores.items()}
        if (left := sum(available(scores))) < (wanted := total(scores, keep)):
            raise InputError(f"keep = {keep:g}: is {wanted} weights, but only {left} may be kept")
    return chosen.choose(scores, keep, options)
