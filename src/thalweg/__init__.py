"""Thalweg: how the optimizer, its step size and sparsity shape what a neural network learns.

What is named here is imported when it is first used, for not every command needs PyTorch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg import data, measure, models, optim, sparsity
    from thalweg.api import Report, Results, Study, load_study, recipe
    from thalweg.errors import InputError, ThalwegError, TrustError
    from thalweg.registry import trusting

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "Report",
    "Results",
    "Study",
    "ThalwegError",
    "TrustError",
    "data",
    "load_study",
    "measure",
    "models",
    "optim",
    "recipe",
    "sparsity",
    "trusting",
]

_HOMES = {
    **dict.fromkeys(("Report", "Results", "Study", "load_study", "recipe"), "thalweg.api"),
    **dict.fromkeys(("InputError", "ThalwegError", "TrustError"), "thalweg.errors"),
    "trusting": "thalweg.registry",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
