"""Models by name, and the way from a name to a network whose weights are fixed by a seed."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.errors import InputError
from thalweg.models.init import InitOptions, initialize
from thalweg.models.lenet5 import LeNet5Options, lenet5, lenet5_tanh
from thalweg.models.mlp import MLPOptions, mlp
from thalweg.models.rnn import RNNOptions, rnn
from thalweg.randomness import generator, global_stream
from thalweg.registry import Entry, Registry, check_keywords
from thalweg.validation import validate

ModelBuilder = Callable[..., nn.Module]
"""``(options, shape, outputs) -> module`` for a built-in model; a user's own class or function
is called with its keyword options alone."""


def adopt(reference: str, target: Any) -> Entry[ModelBuilder]:
    if isinstance(target, nn.Module) or not callable(target):
        raise InputError(
            f"model {reference!r}: must be an nn.Module class or a function that returns a module, "
            f"not an object of type {type(target).__name__}"
        )
    summary = (target.__doc__ or "").strip().partition("\n")[0]
    return Entry(reference, summary, None, target)


MODELS: Registry[ModelBuilder] = Registry("model", adopt)
MODELS.add("lenet5", "LeNet-5, ReLU and max-pooling, 44,426 parameters", LeNet5Options, lenet5)
MODELS.add(
    "lenet5-tanh",
    "LeNet-5, tanh and average pooling, 61,706 parameters",
    LeNet5Options,
    lenet5_tanh,
)
MODELS.add("mlp", "multilayer perceptron of any widths", MLPOptions, mlp)
MODELS.add("rnn", "recurrent network reading an image row by row", RNNOptions, rnn)


def build_model(
    name: str,
    options: dict[str, Any],
    shape: tuple[int, ...],
    outputs: int,
    seed: int,
    init: InitOptions | None,
) -> nn.Module:
    """Build a network on the CPU; its weights depend on nothing but the arguments.

    Args:
        name: A registered name, or ``"package.module:Name"`` for the user's own.
        options: Its options.
        shape: Shape of one input.
        outputs: Number of classes, or of regression targets.
        seed: Root seed. A module draws its own weights from the stream ``(seed, "init")``; a
            named initialisation draws over them from ``(seed, "init", 1)``. The global generator
            is left as it was.
        init: Named initialisation, or None for the module's own.

    Raises:
        InputError: Unknown name or option, or a network that cannot be built or does not fit.
    """
    entry = MODELS[name]
    with global_stream(seed, "init"), torch.device("cpu"):
        if entry.options is None:
            module = _call(entry, options)
        else:
            module = entry.target(validate(entry.options, options, "model"), shape, outputs)
        _check_fit(name, module, shape, outputs)
    if init is not None:
        initialize(module, init, generator(seed, "init", 1))
    return module


def _call(entry: Entry[ModelBuilder], options: dict[str, Any]) -> nn.Module:
    check_keywords(entry.name, entry.target, options)
    try:
        # A function may return one object every time; training a copy carries nothing over.
        module = copy.deepcopy(entry.target(**options))
    except InputError:
        raise
    except Exception as error:  # the user's code may fail in any way
        raise InputError(f"model {entry.name!r}: building it raised {_brief(error)}") from error
    if not isinstance(module, nn.Module):
        raise InputError(
            f"model {entry.name!r}: returned a {type(module).__name__}, not an nn.Module"
        )
    return module


def _check_fit(name: str, module: nn.Module, shape: tuple[int, ...], outputs: int) -> None:
    """Check on two zero examples that a network maps ``(2, *shape)`` to ``(2, outputs)``.

    A lazy module takes its shapes, and draws its weights, here.
    """
    module.eval()
    try:
        with torch.no_grad():
            produced = module(torch.zeros(2, *shape))
    except Exception as error:  # the user's code may fail in any way
        raise InputError(
            f"model {name!r}: two inputs of shape {shape} raised {_brief(error)}"
        ) from error
    module.train()
    found = tuple(produced.shape) if isinstance(produced, Tensor) else type(produced).__name__
    if found != (2, outputs):
        raise InputError(
            f"model {name!r}: two inputs of shape {shape} must give outputs of shape "
            f"{(2, outputs)}, not {found}"
        )
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise InputError(f"model {name!r}: has no parameter to train")


def _brief(error: Exception) -> str:
    """Return the kind of an error and the first line of its message."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
