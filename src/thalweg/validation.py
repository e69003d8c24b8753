"""Checked options, and one plain sentence for the first thing that is wrong with them."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from thalweg.errors import InputError

M = TypeVar("M", bound=BaseModel)


class Options(BaseModel):
    """Base of every set of options: frozen, strict about types, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def validate(
    model: type[M], table: Mapping[str, Any], path: str = "", also: Sequence[str] = ()
) -> M:
    """Validate a table of options.

    Args:
        model: The options wanted.
        table: What was given.
        path: Where the table stands in the study ("arms.eg.optimizer"), for the message.
        also: Keys that the table may hold too and that are read elsewhere, for the message.

    Raises:
        InputError: One sentence about the first error, naming key, value and what is allowed; an
            unknown key comes first, since a missing one may be the same misspelt.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        errors = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise InputError(_sentence(model, errors[0], path, also)) from None


def unknown(kind: str, name: str, allowed: Iterable[str]) -> str:
    """Return the sentence for a name that is not among those allowed, with the nearest one."""
    allowed = list(allowed)
    near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}{hint} (allowed: {', '.join(allowed) or 'none'})"


def brief(error: BaseException) -> str:
    """Return the first line of an error's message, or the error's kind where it has none."""
    return str(error).strip().partition("\n")[0].rstrip() or type(error).__name__


def join_path(*parts: str | int) -> str:
    """Join the parts of a key path with dots, leaving out the empty ones; TOML's quotes are put
    round what is neither a bare key nor a path of such.
    """
    texts = [str(part) for part in parts if part != ""]
    return ".".join(text if _BARE.fullmatch(text) else json.dumps(text) for text in texts)


_BARE = re.compile(r"[A-Za-z0-9_.-]+")

_WANTED = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
}


def _sentence(model: type[BaseModel], error: ErrorDetails, path: str, also: Sequence[str]) -> str:
    location = list(error["loc"])
    kind = error["type"]
    if kind == "extra_forbidden":
        key = str(location[-1])
        return f"{join_path(path, *location[:-1]) or 'input'}: " + unknown(
            "key", key, [*_fields_at(model, location[:-1]), *(also if len(location) == 1 else ())]
        )
    where = join_path(path, *location)
    if kind == "missing":
        return f"{where}: is missing and has no default"
    context = error.get("ctx", {})
    bounds = {
        "greater_than": "must be greater than {gt:g}",
        "greater_than_equal": "must be at least {ge:g}",
        "less_than": "must be less than {lt:g}",
        "less_than_equal": "must be at most {le:g}",
        "literal_error": "must be {expected}",
        "too_short": "must not be empty",
        "string_too_short": "must not be empty",
    }
    if kind == "value_error":
        wanted = str(context["error"])
        if not isinstance(error["input"], Mapping):
            where = f"{where} = {error['input']!r}"
        return f"{where}: {wanted}" if where else wanted
    wanted = bounds[kind].format(**context) if kind in bounds else _WANTED.get(kind, error["msg"])
    return f"{where} = {error['input']!r}: {wanted}"


def _fields_at(model: type[BaseModel], location: list[int | str]) -> list[str]:
    """Return the field names of the options that stand at a location below ``model``."""
    for part in location:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)
