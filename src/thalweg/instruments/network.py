"""A network that someone else trains, as a cohort of one row."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from thalweg.cohort import Cohort
from thalweg.cohort.layout import constants, trainable
from thalweg.errors import InputError
from thalweg.instruments.examples import Called, Library
from thalweg.validation import brief


class WatchedNetwork:
    """A copy of a network's weights that is brought up to date when asked; the network itself is
    only read.

    The row is of the parameters that the optimizer moves; all others are constants.

    Args:
        model: The network.
        optimizer: What trains it, or parts of it.
        library: The examples that it is called with.

    Raises:
        InputError: The optimizer moves nothing of it, it cannot be copied, or its parameters are
            not of one device and of single or double precision.

    Attributes:
        cohort: The copy.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer, library: Library) -> None:
        self._network = Called(model, library)
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        moved = {name: p for name, p in trainable(self._network).items() if id(p) in held}
        if not moved:
            raise InputError(
                "optimizer: has none of the model's parameters that ask for a gradient; must be "
                "the one that trains it"
            )
        self._parameters = moved
        floating = [
            each
            for each in (*self._network.parameters(), *self._network.buffers())
            if each.is_floating_point()
        ]
        kinds = {(each.device, each.dtype) for each in floating}
        first = next(iter(moved.values()))
        if len(kinds) > 1 or first.dtype not in (torch.float32, torch.float64):
            found = ", ".join(sorted(f"{dtype} on {device}" for device, dtype in kinds))
            raise InputError(
                f"model: is of {found}; its parameters and buffers must be torch.float32 or "
                "torch.float64, all on one device (autocast is fine)"
            )
        copied = self._copy()
        for name, parameter in copied.named_parameters():
            parameter.requires_grad_(name in moved)
            parameter.grad = None
        self.cohort = Cohort([copied], [0], first.device, first.dtype)

    def _copy(self) -> nn.Module:
        try:
            return copy.deepcopy(self._network)
        except Exception as error:  # whatever the parts of a stranger's network may raise
            raise InputError(
                f"model: cannot be copied ({brief(error)}); must be one that copy.deepcopy copies "
                "(give it before it was first called, or without torch.nn.utils.weight_norm)"
            ) from error

    @property
    def device(self) -> torch.device:
        return self.cohort.W.device

    @property
    def parameters(self) -> int:
        """How many numbers the network's parameters are."""
        return sum(p.numel() for p in self._network.parameters())

    @property
    def modes(self) -> list[bool]:
        """Whether each part trains."""
        return [part.training for part in self._network.modules()]

    @property
    def first_gradient(self) -> Tensor | None:
        """The gradient of the first parameter that has one, to be told from a later one."""
        found = (p.grad for p in self._parameters.values())
        return next((each for each in found if each is not None), None)

    @torch.no_grad()
    def read(self) -> None:
        """Take up weights, buffers and all that is constant."""
        layout, row = self.cohort.layout, self.cohort.W[0]
        layout.write(row, {name: p.detach() for name, p in self._parameters.items()})
        now = constants(self._network)
        others = {n: p for n, p in self._network.named_parameters() if n not in self._parameters}
        for name, kept in self.cohort.buffers.items():
            kept[0].copy_(now[name] if name in now else others[name])

    @torch.no_grad()
    def read_gradient(self, scale: Tensor | None) -> None:
        """Take up the gradient.

        Args:
            scale: By which a ``GradScaler`` has multiplied it; None for nothing.
        """
        row = self.cohort.G[0].zero_()
        found = {n: p.grad.detach() for n, p in self._parameters.items() if p.grad is not None}
        self.cohort.layout.write(
            row, {n: g.to_dense() if g.layout != torch.strided else g for n, g in found.items()}
        )
        if scale is not None:
            row.div_(scale)

    def stacked(self, named: Mapping[str, Tensor | float]) -> Tensor:
        """Return what belongs to parameters, by their names, as a row ``(1, D)``."""
        row = torch.empty_like(self.cohort.W)
        for name, view in self.cohort.layout.views(row[0]).items():
            view.copy_(torch.as_tensor(named[name]))
        return row

    def items(self) -> list[tuple[str, nn.Parameter]]:
        """Return the parameters that the optimizer moves, by name."""
        return list(self._parameters.items())
