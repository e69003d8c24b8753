"""A split: examples kept as they were stored, turned into batches where the training runs."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Examples in memory on one device.

    Images stay uint8 (a quarter of the memory traffic of float32) and are normalised batch by
    batch: ``x = (stored / 255 - mean) / std``. Floating inputs are used as they are.

    Attributes:
        inputs: ``(N, *shape)``, uint8 or floating.
        targets: ``(N,)`` int64 classes, or ``(N, outputs)`` floating regression targets.
        mean: Mean in [0, 1] pixel units (uint8 inputs only).
        std: Standard deviation, the same units.
        dtype: Floating type of the batches.
    """

    inputs: Tensor
    targets: Tensor
    mean: float = 0.0
    std: float = 1.0
    dtype: torch.dtype = torch.float32

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"{len(self.inputs)} inputs but {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def scale(self) -> float:
        """Factor of a stored uint8 value u in x = u·scale + offset."""
        return 1 / (255 * self.std)

    @property
    def offset(self) -> float:
        """See `scale`."""
        return -self.mean / self.std

    def batch(self, index: Tensor | slice) -> tuple[Tensor, Tensor]:
        """Return ``(inputs, targets)`` of the examples at ``index``, ready for a model.

        An index of shape ``(K, B)`` gives inputs of shape ``(K, B, *shape)``.
        """
        stored = self.inputs[index]
        # A slice is a view, which a network that works in place would write to.
        x = stored.to(self.dtype, copy=isinstance(index, slice))
        if stored.dtype == torch.uint8:
            x = x.mul_(self.scale).add_(self.offset)
        return x, self.batch_targets(index)

    def batch_targets(self, index: Tensor | slice) -> Tensor:
        """Return the targets of the examples at ``index``."""
        targets = self.targets[index]
        return targets.to(self.dtype) if targets.is_floating_point() else targets

    def subset(self, index: Tensor) -> "Split":
        return replace(self, inputs=self.inputs[index], targets=self.targets[index])

    def to(self, device: torch.device, dtype: torch.dtype) -> "Split":
        return replace(
            self, inputs=self.inputs.to(device), targets=self.targets.to(device), dtype=dtype
        )
