"""Methods that remember a gradient for every block of the training examples: SAG and SAGA."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.errors import InputError
from thalweg.optim.method import Method
from thalweg.optim.noise_reduction.estimator import EstimatorHyperparameters, RowsWithEstimate
from thalweg.randomness import generator

LARGEST_TABLE = 2 << 30
"""Bytes of a cohort's table that are not refused."""


class RowsWithTable(RowsWithEstimate):
    """A table ``(K, M, D)`` of the gradients of M = ⌈N / batch⌉ fixed blocks of examples.

    Each seed deals the examples into blocks of (nearly) equal size by a permutation of its own. A
    step visits block j with probability n_j/N. All seeds visit the same j, so that the blocks of a
    cohort's rows have one size; as their contents differ, the runs still see different examples.

    Args:
        method: SAG or SAGA.
        cohort: The rows.
        hyperparameters: One set a run.

    State:
        table: The last gradient of each block, ``(K, M, D)``; 0 before the first visit.
        mean: Σ n_j/N · table_j, ``(K, D)``.
    """

    def __init__(
        self, method: "TableMethod", cohort: Cohort, hyperparameters: Sequence[Any]
    ) -> None:
        super().__init__(method.options, cohort, hyperparameters)
        self._method = method
        self._order: Tensor | None = None

    def estimate(self, oracle: Oracle) -> Tensor:
        N = oracle.examples
        if not self.state:
            self._allocate(-(-N // oracle.batch_size))
        table, mean = self.state["table"], self.state["mean"]
        blocks = self._deal(N, oracle.index.device).tensor_split(table.shape[1], dim=1)
        j = self._visited([block.shape[1] for block in blocks])
        oracle.gradient(blocks[j])
        change = self.cohort.G - table[:, j]
        share = blocks[j].shape[1] / N
        v = torch.add(mean, change, alpha=share if self._method.biased else 1)
        table[:, j] = self.cohort.G
        mean.add_(change, alpha=share)
        return v

    def _visited(self, sizes: Sequence[int]) -> int:
        """Return this step's block: that of an example drawn uniformly."""
        stream = generator(0, "blocks", self._step)
        example = int(torch.randint(sum(sizes), (), generator=stream))
        ends = torch.tensor(sizes).cumsum(0)
        return int(torch.searchsorted(ends, example, right=True))

    def _deal(self, examples: int, device: torch.device) -> Tensor:
        """Return each seed's permutation of the examples, ``(K, N)``."""
        if self._order is None:
            self._order = torch.stack(
                [
                    torch.randperm(examples, generator=generator(seed, "blocks"))
                    for seed in self.cohort.seeds
                ]
            ).to(device)
        return self._order

    def _allocate(self, blocks: int) -> None:
        W = self.cohort.W
        size = blocks * W.numel() * W.element_size()
        if size > LARGEST_TABLE:
            raise InputError(
                f"optimizer.name = {self._method.name!r}: a table of {blocks} gradients takes "
                f"{size / 2**30:.1f} GiB and must take at most {LARGEST_TABLE / 2**30:g} GiB; "
                "raise train.batch_size or take a smaller model"
            )
        self.state = {
            "table": W.new_zeros(len(W), blocks, W.shape[1]),
            "mean": torch.zeros_like(W),
        }

    def load_row_state(self, row: int, state: Any) -> None:
        # Before the first step the number of blocks is not known.
        if not self.state and state["state"]:
            self._allocate(len(state["state"]["table"]))
        super().load_row_state(row, state)


class TableMethod(Method):
    """Base of SAG and SAGA.

    Attributes:
        biased: The change of the visited block's gradient enters with its share n_j/N, not whole.
    """

    family = "noise reduction"
    options = EstimatorHyperparameters
    needs = frozenset({"closure", "examples"})
    gradients = "2, of which that of the drawn batch is not used"
    biased: ClassVar[bool]

    def bind(
        self, cohort: Cohort, hyperparameters: Sequence[EstimatorHyperparameters]
    ) -> RowOptimizer:
        return RowsWithTable(self, cohort, hyperparameters)


class SAG(TableMethod):
    """Stochastic average gradient, over fixed blocks of examples.

    Block j, of n_j out of N examples, is visited with probability n_j/N; with g_j its gradient at w
    and T the table, v = n_j/N · (g_j − T_j) + Σ n_i/N · T_i, then T_j ← g_j; w ← w − η·(v + λ·w).

    v is the mean of the table after the visit: biased, of less variance than SAGA's. The batch that
    the loop draws is not used, as its examples change from epoch to epoch; ``train.batch_size`` is
    the size of a block, and 1 gives the published method. The table takes ⌈N/batch⌉ gradients a
    run; more than 2 GiB a cohort are refused. ``train.clip_norm`` and ``train.order`` do not act.
    """

    name = "sag"
    summary = "SAG: the mean of the last gradient of every block of examples"
    source = "Schmidt, Le Roux & Bach, arXiv:1309.2388"
    biased = True


class SAGA(TableMethod):
    """SAGA, over fixed blocks of examples.

    As `SAG`, but v = g_j − T_j + Σ n_i/N · T_i, which is unbiased.
    """

    name = "saga"
    summary = "SAGA: a block's gradient corrected by its last one"
    source = "Defazio, Bach & Lacoste-Julien, arXiv:1407.0202"
    biased = False
