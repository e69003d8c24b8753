"""SET: sparse evolutionary training."""

from torch import Tensor

from thalweg.cohort import Cohort
from thalweg.sparsity.drop_and_grow import DropAndGrow, DropAndGrowOptions, at_random


class SET(DropAndGrow):
    """Grows weights at random. The smallest are dropped whatever their sign."""

    name = "set"
    summary = "sparse throughout; drops the smallest and grows at random (SET)"
    source = "Mocanu et al., Nature Communications 9, 2383 (2018), arXiv:1707.04780"
    options = DropAndGrowOptions

    def worth(self, cohort: Cohort, step: int) -> Tensor:
        return at_random(cohort, step)
