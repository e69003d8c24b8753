"""Options of a user's function, read from its signature."""

import inspect
from collections.abc import Callable
from typing import Any

from pydantic import create_model

from thalweg.errors import InputError
from thalweg.validation import Options

PLAIN = (bool, int, float, str)
"""Types of options that a study file can give and that are checked."""


def signature_options(
    kind: str, reference: str, target: Any, given: tuple[str, ...]
) -> type[Options]:
    """Return the options that a user's function takes: its parameters behind those that it is
    given in any case.

    An option is checked to be of the type that the signature names, or else that of its default,
    where this is one of `PLAIN`.

    Args:
        kind: What the function is ("criterion"), for the message.
        reference: How the user named it, for the message.
        target: The function.
        given: Names of the leading arguments, for the message.

    Raises:
        InputError: It is no such function.
    """
    wanted = f"{kind} {reference!r}: must be a function of ({', '.join(given)}, and its options)"
    if isinstance(target, type) or not callable(target):
        raise InputError(f"{wanted}, not {_article(target)}")
    parameters = _parameters(target)
    if parameters is None or len(parameters) < len(given):
        raise InputError(wanted)
    leading, own = parameters[: len(given)], parameters[len(given) :]
    if any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in leading):
        raise InputError(wanted)
    for p in own:
        if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) or p.name.startswith("_"):
            raise InputError(
                f"{kind} {reference!r}: its options must be parameters with names of their own, "
                f"not {str(p)!r}"
            )
    fields: dict[str, Any] = {
        p.name: (_type(p), ... if p.default is p.empty else p.default) for p in own
    }
    return create_model(reference, __base__=Options, **fields)


def _parameters(target: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(target, eval_str=True).parameters.values())
    except (TypeError, ValueError, NameError):
        return None


def _type(parameter: inspect.Parameter) -> Any:
    for kind in (parameter.annotation, type(parameter.default)):
        if kind in PLAIN:
            return kind
    return Any


def _article(target: Any) -> str:
    return "a class" if isinstance(target, type) else f"an object of type {type(target).__name__}"
