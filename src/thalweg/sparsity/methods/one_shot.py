"""One-shot pruning with training after it."""

from collections.abc import Hashable, Sequence

from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.sparsity.options import SparsityOptions
from thalweg.sparsity.selection import largest
from thalweg.sparsity.sparsifier import Setting, Sparsifier, open_mask


class OneShotOptions(SparsityOptions):
    """``after_epoch`` is when to prune; training goes on with the mask held."""

    after_epoch: int = Field(default=0, ge=0)


class OneShot(Sparsifier):
    """After some epochs the k largest of |w| are kept and the others are 0 from then on."""

    name = "one_shot"
    summary = "pruned once, then trained on with the mask held"
    source = "Han et al., arXiv:1506.02626"
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
        mask = open_mask(cohort)
        for w, kept, count, scope in zip(cohort.W, mask, self.counts, self.scopes, strict=True):
            kept[scope] = largest(w[scope].abs(), count)
        cohort.set_mask(mask)
