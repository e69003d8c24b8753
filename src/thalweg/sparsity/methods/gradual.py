"""Gradual magnitude pruning."""

from collections.abc import Hashable, Sequence

from torch import Tensor

from thalweg.cohort import Cohort
from thalweg.sparsity.ramp import Ramp, RampOptions
from thalweg.sparsity.sparsifier import Setting, Sparsifier


class Gradual(Sparsifier):
    """Between two epochs the smallest of the weights left are pruned every some steps, so that
    the fraction of zeros follows s = s_f·(1 − (1 − t)³), t from 0 to 1. What is pruned stays 0.
    """

    name = "gradual"
    summary = "the smallest pruned little by little along a cubic ramp, for good"
    source = "Zhu & Gupta, arXiv:1710.01878"
    options = RampOptions

    def __init__(self, setting: Setting, options: Sequence[RampOptions]) -> None:
        super().__init__(setting, options)
        self._ramp = Ramp(options[0], setting)

    @classmethod
    def structure(cls, options: RampOptions) -> Hashable:
        return options.times

    def after_step(self, cohort: Cohort, step: int, lr: float | Tensor) -> None:
        ramp = self._ramp
        regular = (step - ramp.start) % ramp.every == 0
        if step == ramp.end or (regular and ramp.start <= step < ramp.end):
            counts = self.share_of(ramp.keep(step, each.keep) for each in self._options)
            cohort.set_mask(self.largest(cohort.W, counts, within=cohort.mask))
