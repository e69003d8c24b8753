"""The cohort: networks of one architecture as the rows of a matrix."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from thalweg.cohort.layout import Layout, constants


class Cohort:
    """K networks of one architecture, one row each.

    Attributes:
        module: A template that carries the architecture; its own parameters are never used.
        layout: Where each parameter lies in a row.
        W: Weights ``(K, D)``.
        G: Gradient of each run's loss with respect to its row, ``(K, D)``.
        buffers: What the networks carry beside their rows (batch-norm statistics, frozen
            parameters), each ``(K, *shape)``.
        seeds: Root seed of each run.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        seeds: Sequence[int],
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.module = copy.deepcopy(modules[0]).to(device=device, dtype=dtype)
        self.layout = Layout.of(self.module)
        rows = torch.stack([self.layout.row(module) for module in modules])
        self.W = rows.to(device=device, dtype=dtype)
        self.G = torch.zeros_like(self.W)
        self.buffers = {
            name: torch.stack([constants(module)[name] for module in modules]).to(
                device=device, dtype=dtype if buffer.is_floating_point() else buffer.dtype
            )
            for name, buffer in constants(self.module).items()
        }
        self._mask: Tensor | None = None
        self._bits: Tensor | None = None
        self.seeds = tuple(seeds)

    def repeated(self, times: int) -> "Cohort":
        """Return a cohort of copies, each network so many times in a row; it holds no mask."""
        rows = torch.arange(self.rows, device=self.W.device).repeat_interleave(times)
        return self.elsewhere(self.W[rows], rows)

    def elsewhere(self, W: Tensor, rows: Tensor) -> "Cohort":
        """Return a cohort of these networks at other weights; it holds no mask.

        Args:
            W: Weights ``(R, D)``.
            rows: Which network each is of, ``(R,)``: it has that one's buffers and seed.
        """
        other = copy.copy(self)
        other.W, other.G = W, torch.zeros_like(W)
        other.buffers = {name: stacked[rows] for name, stacked in self.buffers.items()}
        other.seeds = tuple(self.seeds[row] for row in rows.tolist())
        other.mask = None
        return other

    @property
    def rows(self) -> int:
        """K, the number of runs."""
        return self.W.shape[0]

    @property
    def mask(self) -> Tensor | None:
        """Which weights may be nonzero, boolean ``(K, D)``; None if all may. Not changed in place:
        another mask is another tensor.
        """
        return self._mask

    @mask.setter
    def mask(self, mask: Tensor | None) -> None:
        self._mask = mask
        self._bits = None
        if mask is not None:
            words = {2: torch.int16, 4: torch.int32, 8: torch.int64}[self.W.element_size()]
            self._bits = mask.to(words).neg_()  # all bits set, or none

    def set_mask(self, mask: Tensor) -> None:
        """Hold ``mask`` from now on and zero the weights outside it.

        Raises:
            ValueError: The mask is not a boolean matrix of W's shape.
        """
        if mask.shape != self.W.shape or mask.dtype != torch.bool:
            raise ValueError(
                f"a mask must be boolean {tuple(self.W.shape)}, "
                f"not {mask.dtype} {tuple(mask.shape)}"
            )
        self.mask = mask.to(self.W.device)
        self.hold_mask()

    def open_mask(self) -> Tensor:
        """Return a copy of the mask that may be changed and set; all ones where there is none."""
        if self._mask is None:
            return torch.ones_like(self.W, dtype=torch.bool)
        return self._mask.clone()

    def mask_(self, X: Tensor) -> Tensor:
        """Zero a matrix ``(K, D)`` outside the mask, in place, and return it.

        By its bits: 0 · inf would be NaN in a diverging run, and a fill at random places takes four
        times as long.
        """
        if self._mask is not None and self._bits is not None:
            X.view(self._bits.dtype).bitwise_and_(self._bits)
        return X

    def hold_mask(self) -> None:
        """Zero the weights outside the mask."""
        self.mask_(self.W)

    def mask_gradient(self) -> None:
        """Zero the gradient outside the mask, so that momentum cannot revive a pruned weight."""
        self.mask_(self.G)

    def state(self, row: int) -> dict[str, Tensor]:
        """Return copies of one network's parameters and buffers by their state-dict names."""
        named = {name: view.clone() for name, view in self.layout.views(self.W[row]).items()}
        named.update({name: stacked[row].clone() for name, stacked in self.buffers.items()})
        return named

    def load_state(self, row: int, state: dict[str, Tensor]) -> None:
        """Write parameters and buffers, named as by `state`, into one row."""
        self.layout.write(self.W[row], {name: state[name] for name in self.layout.names})
        for name, stacked in self.buffers.items():
            stacked[row].copy_(state[name])
