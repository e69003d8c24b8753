"""The cubic ramp by which sparsity rises as a network trains."""

from collections.abc import Hashable
from typing import Self

from pydantic import Field, model_validator

from thalweg.errors import InputError
from thalweg.sparsity.options import SparsityOptions
from thalweg.sparsity.sparsifier import Setting

END = 0.75
"""By default the ramp ends after this fraction of the training."""


class RampOptions(SparsityOptions):
    """``keep`` is reached along a ramp: 1 − s is kept, s = (1 − keep)·(1 − (1 − t)³).

    Attributes:
        start_epoch: Where t is 0; parts of an epoch are allowed.
        end_epoch: Where t is 1; None for three quarters of the training.
        every: Steps between changes of the mask.
    """

    start_epoch: float = Field(default=0, ge=0)
    end_epoch: float | None = Field(default=None, gt=0)
    every: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_epoch is not None and self.end_epoch <= self.start_epoch:
            raise ValueError(
                f"end_epoch = {self.end_epoch:g}: must be greater than start_epoch = "
                f"{self.start_epoch:g}"
            )
        return self

    @property
    def times(self) -> Hashable:
        """What runs must agree in to change their masks at the same steps."""
        return self.start_epoch, self.end_epoch, self.every

    def check_length(self, epochs: int) -> None:
        if self.end_epoch is not None and self.end_epoch >= epochs:
            raise InputError(
                f"sparsity.end_epoch = {self.end_epoch:g}: must be less than the {epochs} epochs "
                "of training, some of which must follow the pruning"
            )
        if self.end_epoch is None and self.start_epoch >= END * epochs:
            raise InputError(
                f"sparsity.start_epoch = {self.start_epoch:g}: must be less than {END * epochs:g}, "
                "where the ramp ends"
            )


class Ramp:
    """The ramp in the steps of a training.

    Attributes:
        start: Step at which it begins.
        end: Step at which it ends.
        every: Steps between changes of the mask.
    """

    def __init__(self, options: RampOptions, setting: Setting) -> None:
        end = options.end_epoch
        self.start = round(options.start_epoch * setting.steps_per_epoch)
        last = END * setting.steps if end is None else end * setting.steps_per_epoch
        self.end = max(round(last), self.start + 1)
        self.every = options.every

    def keep(self, step: int, final: float) -> float:
        """Return the fraction kept after so many steps: final + (1 − final)·(1 − t)³."""
        t = (step - self.start) / (self.end - self.start)
        return final + (1 - final) * (1 - min(max(t, 0.0), 1.0)) ** 3
