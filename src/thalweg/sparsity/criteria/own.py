"""A user's own criterion: a function of a network and of examples."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.errors import ThalwegError
from thalweg.registry import Entry
from thalweg.signatures import signature_options
from thalweg.sparsity.allocation.scope import Scores
from thalweg.sparsity.criteria.criterion import Context, Criterion
from thalweg.validation import Options, brief

GIVEN = ("model", "names", "context")


def adopt(reference: str, target: Any) -> Entry[Criterion]:
    """Return a user's ``(model, names, context, **options)`` → scores by name as a criterion.

    It gets a copy of the network, and examples wherever there are any.
    """
    options = signature_options("criterion", reference, target, GIVEN)
    summary = (target.__doc__ or "").strip().partition("\n")[0]

    def score(model: nn.Module, names: Sequence[str], context: Context, options: Options) -> Scores:
        try:
            found = target(copy.deepcopy(model), names, context, **options.model_dump())
        except ThalwegError:
            raise
        except Exception as error:  # the user's code may fail in any way
            raise ThalwegError(
                f"criterion {reference!r}: raised {type(error).__name__}: {brief(error)}"
            ) from error
        return _checked(reference, found, model, names)

    criterion = Criterion(reference, summary, "", ("examples",), options, score)
    return Entry(reference, summary, options, criterion)


def _checked(reference: str, found: Any, model: nn.Module, names: Sequence[str]) -> Scores:
    """Return one tensor of scores a parameter, in the order of the names.

    Raises:
        ThalwegError: They are not that.
    """
    for name in names:
        shape = tuple(model.get_parameter(name).shape)
        own = found.get(name) if isinstance(found, Mapping) else None
        if not isinstance(own, Tensor) or tuple(own.shape) != shape:
            raise ThalwegError(
                f"criterion {reference!r}: must return {{name: scores}} with a tensor of shape "
                f"{shape} for {name!r}"
            )
    with torch.no_grad():
        return {name: found[name].detach().to(model.get_parameter(name).device) for name in names}
