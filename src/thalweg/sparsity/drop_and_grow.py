"""Base of dynamic sparse training: a mask of constant size whose weights are exchanged."""

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle
from thalweg.randomness import generator
from thalweg.sparsity.allocation import select
from thalweg.sparsity.options import SparsityOptions
from thalweg.sparsity.selection import largest
from thalweg.sparsity.sparsifier import Setting, Sparsifier

SCOPES = {"erk": "erk", "uniform": "layerwise"}
"""The scope by which a distribution spreads the weights over the layers."""


class DropAndGrowOptions(SparsityOptions):
    """How weights are exchanged.

    Attributes:
        distribution: Densities of the layers, which stay: "erk" (small layers denser, see
            `thalweg.sparsity.allocation.erk`) or "uniform".
        drop_fraction: Fraction of a layer's weights exchanged at first; it falls to 0 along half a
            cosine.
        every: Steps between exchanges.
        end: Fraction of the training after which the mask stays.
    """

    distribution: Literal["erk", "uniform"] = "erk"
    drop_fraction: float = Field(default=0.3, gt=0, lt=1)
    every: int = Field(default=100, ge=1)
    end: float = Field(default=0.75, gt=0, le=1)


class DropAndGrow(Sparsifier, ABC):
    """Sparse from the start, at random weights. Every some steps each layer drops the smallest of
    its weights, ⌊f·k⌋ of k, f = α/2·(1 + cos(π·t/T)), and as many outside of those that stay grow,
    the most worthy first; they start at 0, with a fresh optimizer state. A weight that is dropped
    and grown at once goes on as if nothing had happened.

    The figure ``itop_rate`` is the fraction of the chosen weights that have ever been in the mask
    (in-time over-parameterisation; Liu et al., arXiv:2102.02887).
    """

    def __init__(self, setting: Setting, options: Sequence[DropAndGrowOptions]) -> None:
        super().__init__(setting, options)
        self._every, self._end = options[0].every, options[0].end * setting.steps
        self._ever = torch.zeros_like(setting.cohort.W, dtype=torch.bool)

    @classmethod
    def structure(cls, options: DropAndGrowOptions) -> Hashable:
        return options.every, options.end

    @abstractmethod
    def worth(self, cohort: Cohort, step: int) -> Tensor:
        """Return what each weight promises if it grows, at least 0, ``(K, D)``."""

    def due(self, step: int) -> bool:
        """Weights are exchanged after so many steps."""
        return step % self._every == 0 and step < self._end

    def begin(self, cohort: Cohort, oracle: Oracle) -> None:
        mask = cohort.open_mask()
        scores = cohort.layout.views(at_random(cohort, 0))
        for row, (options, names) in enumerate(zip(self._options, self.names, strict=True)):
            found = select(
                {name: scores[name][row] for name in names},
                options.keep,
                SCOPES[options.distribution],
            )
            cohort.layout.write(mask[row], found)
        self._set(cohort, mask)

    def after_step(self, cohort: Cohort, step: int, lr: float | Tensor) -> None:
        if not self.due(step):
            return
        mask, worth = cohort.open_mask(), self.worth(cohort, step)
        decay = (1 + math.cos(math.pi * step / self._end)) / 2
        for row, (options, names) in enumerate(zip(self._options, self.names, strict=True)):
            for layer in (cohort.layout.slices[name] for name in names):
                mask[row, layer] = exchanged(
                    cohort.W[row, layer],
                    mask[row, layer],
                    worth[row, layer],
                    options.drop_fraction * decay,
                )
        self._set(cohort, mask)

    def row_state(self, row: int) -> Any:
        return self._ever[row].clone()

    def load_row_state(self, row: int, state: Any) -> None:
        self._ever[row] = state

    def figures(self, row: int) -> dict[str, float]:
        scope = self.scopes[row]
        return {"itop_rate": int(self._ever[row, scope].sum()) / len(scope)}

    def _set(self, cohort: Cohort, mask: Tensor) -> None:
        self._ever |= mask
        cohort.set_mask(mask)


def exchanged(w: Tensor, mask: Tensor, worth: Tensor, fraction: float) -> Tensor:
    """Return a layer's mask after an exchange, as many weights as before.

    Args:
        w: Weights ``(n,)``.
        mask: Which of them are active.
        worth: What each promises if it grows, at least 0.
        fraction: Of the active weights, which is exchanged, rounded down.
    """
    active = int(mask.sum())
    drops = int(fraction * active)
    stays = largest(w.abs().masked_fill(~mask, -1), active - drops)
    return stays | largest(worth.masked_fill(stays, -1), drops)


def at_random(cohort: Cohort, step: int) -> Tensor:
    """Return numbers uniform in [0, 1), ``(K, D)``, each row's from its own stream."""
    D = cohort.layout.size
    drawn = [torch.rand(D, generator=generator(seed, "mask", step)) for seed in cohort.seeds]
    return torch.stack(drawn).to(cohort.W.device)
