"""Oracles for tests of optimizers alone."""

from collections.abc import Callable

import torch
from torch import Tensor

from thalweg.cohort import AutogradBackend, Cohort, Oracle
from thalweg.cohort.oracle import Asked
from thalweg.data import Split


class CallableOracle(Oracle):
    """Answers with a function that writes the gradient into ``cohort.G`` and returns the losses."""

    def __init__(self, cohort: Cohort, function: Callable[[], Tensor]) -> None:
        nothing = Split(torch.zeros(1, 1), torch.zeros(1, 1))
        super().__init__(cohort, AutogradBackend("mse", stacked=False), nothing, 1)
        self._function = function

    def gradient(self, index: Tensor | None = None, active: Tensor | None = None) -> Tensor:
        self._count(Asked(gradient_evaluations=1), active)
        self.losses = self._function()
        return self.losses


def silent(cohort: Cohort) -> Oracle:
    """Return an oracle that must not be asked."""

    def refuse() -> Tensor:
        raise AssertionError("must not be asked")

    return CallableOracle(cohort, refuse)
