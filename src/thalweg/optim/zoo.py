"""What a stranger's optimizer class needs, read from its signatures, and how to construct it.

Written for the names of pytorch_optimizer (``"pytorch_optimizer:Lion"``; the extra ``zoo``
installs it), whose conventions other packages share.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from thalweg.errors import InputError
from thalweg.registry import import_reference

Factory = type[torch.optim.Optimizer]

WRAPPED = ("base_optimizer", "optimizer")
"""Keywords by which an optimizer takes the class of another: a study gives ``package:Name``."""
UNTOLD = {"AliG", "BSAM"}
"""Classes of pytorch_optimizer that refuse to step without a closure, though it has a default."""
UNUSABLE = {
    "PCGrad": "combines the gradients of several losses, and a run has one",
    "SafeFP16Optimizer": "scales the loss of half-precision training, which runs do not use",
    "DistributedMuon": "splits its parameters over processes, and a run has one",
    "Conda": "keeps objects of its own in its state, which no checkpoint can hold",
    "ScalableShampoo": "keeps objects of its own in its state, which no checkpoint can hold",
    "SpectralSphere": "takes networks whose parameters all are matrices, with no biases",
}
"""Classes of pytorch_optimizer that runs cannot use, and why."""


def needs_of(factory: Factory) -> frozenset[str]:
    """Return what a class needs beyond the gradient, of `thalweg.optim.needs.NEEDS`.

    - "closure": its step has a closure that may not be left out, as L-BFGS's has, or it is built
      on a ``base_optimizer``, as SAM is.
    - "products": its step takes estimates of the ``hessian``'s diagonal, as AdaHessian's does in
      place of a gradient that carries a graph.
    - "average": it has ``eval`` and ``train`` switches, as the schedule-free optimizers have.
    - "shapes": it has an ``adamw_lr`` for the parameters that are no matrices, as Muon has.
    - "model": its constructor takes the ``model``.
    """
    made, stepped = _parameters(factory), inspect.signature(factory.step).parameters
    closure = stepped.get("closure")
    found = {
        "closure": (closure is not None and closure.default is closure.empty)
        or "base_optimizer" in made
        or (_is_of_the_zoo(factory) and factory.__name__ in UNTOLD),
        "products": "hessian" in stepped,
        "average": hasattr(factory, "eval") and hasattr(factory, "train"),
        "shapes": "adamw_lr" in made,
        "model": "model" in made,
    }
    return frozenset(name for name, needed in found.items() if needed)


def refusal(factory: Factory) -> str | None:
    """Return why no run can use a class, to be put after its name; None if one can."""
    if _is_of_the_zoo(factory) and factory.__name__ in UNUSABLE:
        return UNUSABLE[factory.__name__]
    if "model" in needs_of(factory):
        return "needs the network itself, and a run gives its parameters alone"
    return None


def construct(
    factory: Factory, parameters: Sequence[nn.Parameter], options: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """Return an instance, on groups of matrices and others where the class tells them apart.

    Raises:
        InputError: A wrapped optimizer is not named as it should be.
    """
    needs = needs_of(factory)
    groups: list[Any] = list(parameters)
    if "shapes" in needs:
        parts = {True: [p for p in parameters if p.ndim >= 2]}
        parts[False] = [p for p in parameters if p.ndim < 2]
        groups = [{"params": part, "use_muon": muon} for muon, part in parts.items() if part]
    made = _parameters(factory)
    keywords = dict(options)
    for key in WRAPPED:
        if key in made:
            keywords[key] = _wrapped(key, options.get(key))
    optimizer: torch.optim.Optimizer = factory(params=groups, **keywords)
    if "average" in needs:
        optimizer.train()  # type: ignore[attr-defined]
    return optimizer


def _wrapped(key: str, reference: Any) -> Any:
    """Return the optimizer class that a reference names."""
    if not isinstance(reference, str) or ":" not in reference:
        raise InputError(f'{key} must name a class as "torch.optim:SGD" does')
    found = import_reference(reference, f"optimizer.{key}")
    if not (isinstance(found, type) and issubclass(found, torch.optim.Optimizer)):
        raise InputError(f"{key} = {reference!r}: must be a subclass of torch.optim.Optimizer")
    return found


def _parameters(factory: Factory) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}


def _is_of_the_zoo(factory: Factory) -> bool:
    return factory.__module__.partition(".")[0] == "pytorch_optimizer"
