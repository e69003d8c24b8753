"""An optimizer whose iterates are averaged."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.cohort.optimizer import Stability
from thalweg.optim.averaging.average import Average
from thalweg.validation import Options


class Averaged(RowOptimizer):
    """Runs an optimizer, averages its iterates, and has the runs judged at the average.

    Batch-norm statistics are not averaged: at the average a network is evaluated with those of the
    iterates.

    Args:
        inner: Makes the iterates.
        average: How they are averaged.
        cohort: The rows.
        options: The average's, one set a run; they must agree in ``average.structure``.
        steps_per_epoch: Steps an epoch.
    """

    def __init__(
        self,
        inner: RowOptimizer,
        average: Average,
        cohort: Cohort,
        options: Sequence[Options],
        steps_per_epoch: int,
    ) -> None:
        if len({average.structure(h) for h in options}) != 1:
            raise ValueError("the runs of a cohort must share their average's structure")
        self._inner = inner
        self._average = average
        self._cohort = cohort
        self._steps_per_epoch = steps_per_epoch
        self._step = 0
        self._mean = cohort.W.clone()
        self._h = SimpleNamespace()
        for name in average.options.model_fields:
            values = [getattr(h, name) for h in options]
            setattr(self._h, name, values[0] if len(set(values)) == 1 else self._column(values))

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self._inner.step(lr_scale, oracle)
        self._cohort.hold_mask()
        self._step += 1
        self._average.update(self._cohort.W, self._mean, self._h, self._step, self._steps_per_epoch)

    def renew(self, where: Tensor) -> None:
        self._inner.renew(where)
        self._mean.copy_(torch.where(where, self._cohort.W, self._mean))

    def stability(self) -> Stability | None:
        return self._inner.stability()

    def evaluated(self) -> Tensor:
        return self._mean

    def row_state(self, row: int) -> Any:
        return {
            "inner": self._inner.row_state(row),
            "step": self._step,
            "mean": self._mean[row].clone(),
        }

    def load_row_state(self, row: int, state: Any) -> None:
        self._inner.load_row_state(row, state["inner"])
        self._step = state["step"]
        self._mean[row].copy_(state["mean"])

    def _column(self, values: Sequence[float]) -> Tensor:
        W = self._cohort.W
        return torch.tensor(values, dtype=W.dtype, device=W.device).unsqueeze(1)
