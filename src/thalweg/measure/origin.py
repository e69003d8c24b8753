"""What the run that left a network knows of it, beside its weights."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Origin:
    """Where a network comes from; a file of weights tells nothing.

    Attributes:
        masks: Which of its weights may be nonzero, boolean by parameter name; None where all may.
        steps: Places along its training, ascending.
        path: Its weights there, by parameter name.
    """

    masks: Mapping[str, Tensor] | None = None
    steps: tuple[int, ...] = ()
    path: tuple[Mapping[str, Tensor], ...] = ()
