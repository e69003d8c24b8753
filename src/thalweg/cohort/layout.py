"""Where each parameter of a network lies in its row of the cohort's matrix."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layout:
    """Names and shapes of a network's trainable parameters, end to end in the module's order.

    Attributes:
        names: Parameter names as in ``module.named_parameters()``.
        shapes: Their shapes.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, module: nn.Module) -> "Layout":
        named = list(trainable(module).items())
        return cls(tuple(name for name, _ in named), tuple(tuple(p.shape) for _, p in named))

    @cached_property
    def slices(self) -> dict[str, slice]:
        """The columns of each parameter."""
        slices, start = {}, 0
        for name, shape in zip(self.names, self.shapes, strict=True):
            slices[name] = slice(start, start + math.prod(shape))
            start = slices[name].stop
        return slices

    @cached_property
    def size(self) -> int:
        """D, the number of parameters."""
        return sum(math.prod(shape) for shape in self.shapes)

    def views(self, matrix: Tensor) -> dict[str, Tensor]:
        """Return each parameter as a view.

        Args:
            matrix: ``(K, D)``, or one row ``(D,)``.

        Returns:
            Views of shape ``(K, *shape)``, or ``shape`` for one row.
        """
        lead = matrix.shape[:-1]
        return {
            name: matrix[..., self.slices[name]].view(*lead, *shape)
            for name, shape in zip(self.names, self.shapes, strict=True)
        }

    def write(self, row: Tensor, named: Mapping[str, Tensor]) -> None:
        """Copy tensors, by the names of their parameters, to their places in one row ``(D,)``."""
        views = self.views(row)
        for name, tensor in named.items():
            views[name].copy_(tensor)

    def columns(self, names: Collection[str]) -> Tensor:
        """Return the columns of the named parameters, ascending."""
        parts = [torch.arange(s.start, s.stop) for name, s in self.slices.items() if name in names]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)

    def row(self, module: nn.Module) -> Tensor:
        """Return a copy of the module's trainable parameters as one row ``(D,)``."""
        return torch.cat([p.detach().reshape(-1) for p in trainable(module).values()])


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that ask for a gradient, by name; a tied one once."""
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def constants(module: nn.Module) -> dict[str, Tensor]:
    """Return what a network carries beside its row: buffers and frozen parameters, by name."""
    frozen = {name: p for name, p in module.named_parameters() if not p.requires_grad}
    return {**dict(module.named_buffers()), **frozen}
