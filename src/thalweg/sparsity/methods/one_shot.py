"""One-shot pruning with training after it."""

from collections.abc import Hashable, Sequence

from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.errors import InputError
from thalweg.sparsity.options import CriterionName, ScopeName, SparsityOptions
from thalweg.sparsity.sparsifier import Setting, Sparsifier
from thalweg.sparsity.tickets import choose_mask


class OneShotOptions(SparsityOptions):
    """``after_epoch`` is when to prune, 0 for before training; training goes on with the mask held.

    Attributes:
        criterion: What a weight is worth; see `thalweg.sparsity.criteria`.
        scope: How the number is spread over the layers; see `thalweg.sparsity.allocation`.
    """

    after_epoch: int = Field(default=0, ge=0)
    criterion: CriterionName = "magnitude"
    scope: ScopeName = "global"

    def check_length(self, epochs: int) -> None:
        if self.after_epoch >= epochs:
            raise InputError(
                f"sparsity.after_epoch = {self.after_epoch}: must be less than the {epochs} epochs "
                "of training, some of which must follow the pruning"
            )


class OneShot(Sparsifier):
    """After some epochs the weights that a criterion ranks highest are kept and the others are 0
    from then on. At the outset, by a criterion that looks at the data, it is pruning at
    initialisation. The criterion's gradients are not charged to the run.
    """

    name = "one_shot"
    summary = "pruned once, before training or after some epochs, then trained with the mask held"
    source = "Han et al., arXiv:1506.02626; Lee et al., arXiv:1810.02340 (before training)"
    options = OneShotOptions

    def __init__(self, setting: Setting, options: Sequence[OneShotOptions]) -> None:
        super().__init__(setting, options)
        self._after = options[0].after_epoch * setting.steps_per_epoch

    @classmethod
    def structure(cls, options: OneShotOptions) -> Hashable:
        return options.after_epoch

    def begin(self, cohort: Cohort, oracle: Oracle) -> None:
        if self._after == 0:
            self._prune(cohort)

    def after_step(self, cohort: Cohort, step: int, lr: float | Tensor) -> None:
        if step == self._after:
            self._prune(cohort)

    def _prune(self, cohort: Cohort) -> None:
        mask = cohort.open_mask()
        for row, (options, seed) in enumerate(zip(self._options, cohort.seeds, strict=True)):
            state = cohort.state(row)
            found = choose_mask(cohort, state, self.setting.task, options, options.keep, seed)
            cohort.layout.write(mask[row], found)
        cohort.set_mask(mask)
