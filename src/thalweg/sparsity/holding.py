"""Hold masks while anyone's optimizer trains."""

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from thalweg.sparsity.masks import apply_masks


class Hold:
    """Keeps weights outside masks at exactly 0; see `hold`. A context manager too."""

    def __init__(self, model: nn.Module, masks: Mapping[str, Tensor]) -> None:
        apply_masks(model, masks)
        parameters = dict(model.named_parameters())
        # Weak, because PyTorch's list of hooks would keep a discarded network in memory.
        self._held = [(weakref.ref(parameters[name]), ~mask) for name, mask in masks.items()]
        self._handles: list[Any] = []
        for parameter, pruned in self._held:
            weight = parameter()
            if weight is not None and weight.requires_grad:
                self._handles.append(weight.register_hook(_fill(pruned)))
        self._handles.append(register_optimizer_step_post_hook(self._after_step))
        self._finalizer = weakref.finalize(model, _remove, self._handles)

    def remove(self) -> None:
        """Let the weights go."""
        self._finalizer()

    def __enter__(self) -> "Hold":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    @torch.no_grad()
    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        stepped = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for parameter, pruned in self._held:
            weight = parameter()
            if weight is not None and id(weight) in stepped:
                weight.masked_fill_(pruned.to(weight.device), 0)


def hold(model: nn.Module, masks: Mapping[str, Tensor]) -> Hold:
    """Set the weights outside the masks to 0 and keep them there while the network trains.

    Their gradients are zeroed as they are computed, so that no optimizer's state sees them, and
    the weights after every step of any ``torch.optim.Optimizer``, so that momentum gathered
    before cannot revive them.

        >>> masks = thalweg.sparsity.prune(model, target=0.9)
        >>> with thalweg.sparsity.hold(model, masks):
        ...     train(model)

    Args:
        model: The network; copies of it are not held.
        masks: By parameter name.

    Returns:
        A handle with ``remove()``, which is a context manager too. Without either the masks are
        held as long as the model lives.

    Raises:
        InputError: The masks do not fit the module.
    """
    return Hold(model, masks)


def _fill(pruned: Tensor) -> Any:
    return lambda gradient: gradient.masked_fill(pruned.to(gradient.device), 0)


def _remove(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()
