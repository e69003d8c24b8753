"""An instrument."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from thalweg.measure.dynamics.look import Look

Read = Callable[[Look], Mapping[str, Tensor]]
"""A look → figures by name, one a run ``(K,)`` or several ``(K, n)``; NaN for what is undefined."""


@dataclass(frozen=True)
class Instrument:
    """What reads figures off a step.

    Attributes:
        name: The name a study uses.
        summary: One line of help.
        cost: Of a look, in gradients of a minibatch for each run; B is the batch size, n the
            examples looked at.
        read: Reads.
        keeps: It reads ``gradient``, which the step may overwrite.
        moves: It reads ``W`` or ``update``.
        follows: It reads ``previous``.
    """

    name: str
    summary: str
    cost: str
    read: Read
    keeps: bool = False
    moves: bool = True
    follows: bool = False
