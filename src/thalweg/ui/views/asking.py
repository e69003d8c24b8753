"""Choices read from an address, and checked."""

import re
from collections.abc import Collection, Mapping

from thalweg.errors import InputError
from thalweg.ui.content import Asked, Choice
from thalweg.validation import unknown


def one(
    asked: Asked,
    key: str,
    label: str,
    options: Mapping[str, str],
    default: str | None = None,
    elsewhere: Collection[str] = (),
) -> Choice:
    """Return a choice of one value.

    Args:
        asked: Parameters of the address.
        key: The parameter.
        label: What stands beside it.
        options: What is read, by value; at least one.
        default: What is in force where nothing is asked for; by default the first option.
        elsewhere: Values that are options where other choices are made otherwise; one that is asked
            for and is no option here counts as not asked for.

    Raises:
        InputError: The value is no option, or there are several.
    """
    values = _values(asked, key, options, elsewhere)
    if len(values) > 1:
        raise InputError(f"{key} = {', '.join(values)}: must be one value, not {len(values)}")
    chosen = values[0] if values else default or next(iter(options))
    return Choice(key, label, tuple(options.items()), (chosen,))


def several(
    asked: Asked,
    key: str,
    label: str,
    options: Mapping[str, str],
    default: Collection[str] | None = None,
    elsewhere: Collection[str] = (),
) -> Choice:
    """Return a choice of one value or more, in the order of the options; see `one`.

    Raises:
        InputError: A value is no option.
    """
    values = _values(asked, key, options, elsewhere) or default or tuple(options)
    chosen = tuple(value for value in options if value in values)
    return Choice(key, label, tuple(options.items()), chosen, several=True)


def offered(*choices: Choice) -> tuple[Choice, ...]:
    """Return the choices that leave one something to choose."""
    return tuple(choice for choice in choices if len(choice.options) > 1)


def in_order(name: str) -> list[tuple[int, str]]:
    """Return what to sort names by so that those with numbers are in the order of these: a file of
    tensors has ``layers.10`` before ``layers.2``.
    """
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def _values(
    asked: Asked, key: str, options: Mapping[str, str], elsewhere: Collection[str]
) -> list[str]:
    values = list(dict.fromkeys(asked.get(key, ())))
    for value in values:
        if value not in options and value not in elsewhere:
            raise InputError(unknown(key, value, options))
    return [value for value in values if value in options]
