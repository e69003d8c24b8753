"""What a scope is: how many weights each layer keeps, and which are compared with which."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from thalweg.sparsity.masks import Masks
from thalweg.validation import Options

Scores = dict[str, Tensor]
"""A score for each weight by parameter name, of its parameter's shape; the higher, the sooner
kept."""


class NoOptions(Options):
    """There is nothing to choose."""


@dataclass(frozen=True)
class Scope:
    """One way to share out the weights that stay.

    Attributes:
        name: What a study calls it.
        summary: A line of help.
        source: Where it was published.
        options: The options it takes.
        choose: ``(scores, keep, options)`` → masks, ⌊keep · N⌋ of the N weights in all. Scores of
            −∞ mark weights that may not be kept.
    """

    name: str
    summary: str
    source: str
    options: type[Options]
    choose: Callable[[Mapping[str, Tensor], float, Any], Masks]
