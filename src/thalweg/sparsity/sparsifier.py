"""Base of what keeps a training sparse."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from thalweg.cohort import Cohort, Constraint
from thalweg.data import Task
from thalweg.sparsity.options import ParameterOptions, SparsityOptions


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
    """Keeps a fraction of the chosen weights of each run and has the others be 0.

    Class attributes:
        name: The name a study uses.
        summary: One line of help.
        source: Where the method is published.
        options: Its options.

    Args:
        setting: The training.
        options: One set a run.

    Attributes:
        scopes: Columns of the chosen weights, one tensor a run.
        counts: How many of them may be nonzero in the end.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str]
    options: ClassVar[type[ParameterOptions]] = SparsityOptions

    def __init__(self, setting: Setting, options: Sequence[Any]) -> None:
        cohort = setting.cohort
        self.setting = setting
        self.scopes = [
            cohort.layout.columns(each.names(cohort.module)).to(cohort.W.device) for each in options
        ]
        self.counts = [
            each.count(len(scope)) for each, scope in zip(options, self.scopes, strict=True)
        ]

    @classmethod
    def structure(cls, options: Any) -> Hashable:
        """Return what must agree for runs to share a cohort; by default nothing."""
        return None


def open_mask(cohort: Cohort) -> Tensor:
    """Return a copy of the mask that may be changed and set; all ones where there is none yet."""
    if cohort.mask is None:
        return torch.ones_like(cohort.W, dtype=torch.bool)
    return cohort.mask.clone()
