"""What every average of iterates says of itself."""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any, ClassVar

from torch import Tensor

from thalweg.validation import Options


class Average(ABC):
    """A running average of a run's iterates w_1, w_2, …, at which the run is judged.

    Class attributes:
        name: The name a study uses.
        summary: One line of help.
        source: Where it is published.
        options: Its options. Floats may differ between the runs of a cohort.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    options: ClassVar[type[Options]] = Options

    def structure(self, h: Any) -> Hashable:
        """Return what must agree for runs to share a cohort: every option that is not a float."""
        fields = self.options.model_fields.items()
        return tuple(
            (key, getattr(h, key)) for key, field in fields if field.annotation is not float
        )

    @abstractmethod
    def update(self, W: Tensor, mean: Tensor, h: Any, step: int, steps_per_epoch: int) -> None:
        """Update ``mean`` in place; `lookahead` changes ``W`` too.

        Args:
            W: The iterates of all runs, ``(K, D)``.
            mean: Their averages, ``(K, D)``; before the first step the initial weights.
            h: Options by name, the floats numbers or columns ``(K, 1)``.
            step: Number of the step that made the iterate, from 1.
            steps_per_epoch: Steps an epoch.
        """
