"""Dynamic model pruning with feedback."""

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort
from thalweg.sparsity.ramp import Ramp, RampOptions
from thalweg.sparsity.sparsifier import Setting, Sparsifier


class FeedbackOptions(RampOptions):
    """The ramp of gradual pruning, with masks chosen anew more often.

    Attributes:
        every: Steps between choices of a mask.
    """

    every: int = Field(default=16, ge=1)


class Feedback(Sparsifier):
    """Networks are evaluated at m ⊙ w and the optimizer moves the dense w by the gradient taken
    there, of all weights. Every some steps, to the end of training, m becomes the mask of the
    largest |w|, fewer of them along a cubic ramp: a weight that was pruned too soon comes back.
    """

    name = "dpf"
    summary = "dense weights, evaluated at the largest, chosen anew every few steps along a ramp"
    source = "Lin et al., Dynamic Model Pruning with Feedback, arXiv:2006.07253"
    options = FeedbackOptions
    latent: ClassVar[bool] = True

    def __init__(self, setting: Setting, options: Sequence[FeedbackOptions]) -> None:
        super().__init__(setting, options)
        self._ramp = Ramp(options[0], setting)
        self._mask = torch.ones_like(setting.cohort.W, dtype=torch.bool)

    @classmethod
    def structure(cls, options: FeedbackOptions) -> Hashable:
        return options.times

    def after_step(self, cohort: Cohort, step: int, lr: float | Tensor) -> None:
        ramp = self._ramp
        if step % ramp.every == 0 or step == ramp.end:
            counts = self.share_of(ramp.keep(step, each.keep) for each in self._options)
            self._mask = self.largest(cohort.W, counts)

    def view(self, W: Tensor) -> Tensor:
        return W * self._mask

    def row_state(self, row: int) -> Any:
        return self._mask[row].clone()

    def load_row_state(self, row: int, state: Any) -> None:
        self._mask[row] = state
