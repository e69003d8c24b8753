"""Optimizers: rules that act on a cohort's rows, and the same as PyTorch optimizers.

Every rule is a ``torch.optim.Optimizer`` here by the name of its class: ``thalweg.optim.SGDEG``.
So is every method, driven by a closure: ``thalweg.optim.SAM``.
"""

from typing import Any

import torch

from thalweg.optim.as_torch import torch_class
from thalweg.optim.method import Method
from thalweg.optim.method_as_torch import method_class
from thalweg.optim.registry import OPTIMIZERS, OWN
from thalweg.optim.rule import Rule

__all__ = ["OPTIMIZERS"]

_CLASSES: dict[str, type[torch.optim.Optimizer]] = {
    **{type(rule).__name__: torch_class(rule) for rule in OWN if isinstance(rule, Rule)},
    **{type(own).__name__: method_class(own) for own in OWN if isinstance(own, Method)},
}


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return _CLASSES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_CLASSES]
