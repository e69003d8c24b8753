"""Base of what keeps a training sparse."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from thalweg.cohort import Cohort, Constraint
from thalweg.data import Task
from thalweg.sparsity.allocation.counting import kept
from thalweg.sparsity.options import ParameterOptions, SparsityOptions
from thalweg.sparsity.selection import largest


@dataclass(frozen=True)
class Setting:
    """The training in which a sparsifier acts.

    Attributes:
        cohort: The networks.
        task: What they learn, on the cohort's device.
        steps: Steps of the whole training.
        steps_per_epoch: Steps an epoch.
    """

    cohort: Cohort
    task: Task
    steps: int
    steps_per_epoch: int


class Sparsifier(Constraint):
    """Has weights of each run be 0, of those chosen by the options' ``parameters``.

    Class attributes:
        name: The name a study uses.
        summary: One line of help.
        source: Where the method is published.
        options: Its options.

    Args:
        setting: The training.
        options: One set a run.

    Attributes:
        names: Names of the chosen parameters, one list a run.
        scopes: Columns of the chosen weights, one tensor a run.

    Raises:
        InputError: The options do not fit the network or the length of the training.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    options: ClassVar[type[ParameterOptions]] = SparsityOptions

    def __init__(self, setting: Setting, options: Sequence[Any]) -> None:
        cohort = setting.cohort
        self.setting = setting
        self._options = options
        self.names = [each.names(cohort.module) for each in options]
        self.scopes = [cohort.layout.columns(names).to(cohort.W.device) for names in self.names]
        self._others = [self._outside(scope) for scope in self.scopes]

    @cached_property
    def counts(self) -> list[int]:
        """How many of the chosen weights of each run may be nonzero in the end."""
        return self.share_of(each.keep for each in self._options)

    def share_of(self, fractions: Iterable[float]) -> list[int]:
        """Return how many weights a fraction of the chosen ones is, for each run."""
        return [kept(f, len(scope)) for f, scope in zip(fractions, self.scopes, strict=True)]

    def largest(self, W: Tensor, counts: Sequence[int], within: Tensor | None = None) -> Tensor:
        """Return masks ``(K, D)`` of each run's largest |w|, so many of the chosen weights.

        The weights that are not chosen are all in the mask.

        Args:
            W: Weights ``(K, D)``.
            counts: How many, one a run.
            within: Chosen weights outside this mask come last.
        """
        scores = W.abs() if within is None else W.abs().masked_fill_(~within, -1)
        masks = []
        for row, others, count in zip(scores, self._others, counts, strict=True):
            row.index_fill_(0, others, torch.inf)  # cheaper than to take the chosen ones apart
            masks.append(largest(row, count + len(others)))
        return torch.stack(masks)

    @classmethod
    def structure(cls, options: Any) -> Hashable:
        """Return what must agree for runs to share a cohort; by default nothing."""
        return None

    def _outside(self, scope: Tensor) -> Tensor:
        """Return the columns of the weights that are not chosen."""
        outside = torch.ones_like(self.setting.cohort.W[0], dtype=torch.bool)
        outside[scope] = False
        return outside.nonzero().flatten()
