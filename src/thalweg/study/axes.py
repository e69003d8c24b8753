"""Grid axes: a list where a single value is expected."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, get_origin

from pydantic import BaseModel

from thalweg.data import TASKS
from thalweg.data.augmentation import AUGMENTATIONS
from thalweg.errors import InputError
from thalweg.models import INITS, MODELS
from thalweg.optim import OPTIMIZERS
from thalweg.optim.averaging import AVERAGES
from thalweg.optim.schedules import SCHEDULES
from thalweg.registry import Registry
from thalweg.sparsity import SPARSITIES
from thalweg.spec import TrainOptions

Axes = dict[str, Any]
"""The values of one grid point by key path ("optimizer.lr")."""

MOST = 1_000_000
"""Points of a grid, beyond which a study only fills the memory."""


def expand_grid(table: Mapping[str, Any]) -> Iterator[tuple[Axes, dict[str, Any]]]:
    """Yield every grid point of an arm: its axes' values, and the arm's tables with them filled in.

    A list is an axis unless the key takes a list as it is (``model.widths``); a list of lists is
    then an axis of lists. For a user's own object every list is an axis.

    Raises:
        InputError: An axis is empty or names a value twice.
    """
    yield from _expand(table, dict(list_axes(table)))


def expand_sparsities(table: Mapping[str, Any]) -> Iterator[tuple[Axes, dict[str, Any]]]:
    """Yield an arm's tables with every combination of the values listed in ``[sparsity]``.

    Raises:
        InputError: A list is empty or names a value twice.
    """
    yield from _expand(table, dict(_named_axes("sparsity", table.get("sparsity"), SPARSITIES)))


def _expand(
    table: Mapping[str, Any], axes: Mapping[str, list[Any]]
) -> Iterator[tuple[Axes, dict[str, Any]]]:
    for path, values in axes.items():
        if not values:
            raise InputError(f"{path} = []: a grid needs at least one value")
        _check_distinct(path, values)
    points = prod(map(len, axes.values()))
    if points > MOST:
        raise InputError(
            f"{', '.join(axes)}: make a grid of {points:,} points; must be at most {MOST:,}"
        )
    for combination in product(*axes.values()):
        point = dict(zip(axes, combination, strict=True))
        filled: Any = table
        for path, value in point.items():
            filled = _replace(filled, path.split("."), value)
        yield point, filled


def _check_distinct(path: str, values: Sequence[Any]) -> None:
    plain = {value for value in values if isinstance(value, Hashable)}
    if len(plain) == len(values):
        return
    for i, value in enumerate(values):
        if value in values[:i]:
            raise InputError(f"{path}: the grid names {value!r} twice")


def label(axes: Axes) -> str:
    """Return a short name of a grid point: "lr=0.01, momentum=0.9"."""
    return ", ".join(f"{path.rpartition('.')[2]}={_plain(value)}" for path, value in axes.items())


def _plain(value: Any) -> str:
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    if isinstance(value, Mapping):
        options = ", ".join(f"{k}={_plain(v)}" for k, v in value.items() if k != "name")
        return f"{value.get('name', '')}({options})" if options else str(value.get("name", ""))
    return str(value)


def list_axes(table: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the axes of an arm's grid: key paths, each with the values it names."""
    yield from _named_axes("task", table.get("task"), TASKS)
    model = table.get("model")
    yield from _named_axes("model", model, MODELS)
    if isinstance(model, Mapping):
        yield from _choice_axes("model.init", model.get("init"), INITS)
    yield from _named_axes("optimizer", table.get("optimizer"), OPTIMIZERS)
    train = table.get("train")
    if isinstance(train, Mapping):
        choices: dict[str, Registry[Any]] = {
            "schedule": SCHEDULES,
            "augment": AUGMENTATIONS,
            "average": AVERAGES,
        }
        rest = {key: value for key, value in train.items() if key not in choices}
        yield from _option_axes("train", rest, TrainOptions)
        for key, registry in choices.items():
            known = {entry.name: entry.options for entry in registry}
            yield from _choice_axes(f"train.{key}", train.get(key), known)


def _named_axes(path: str, table: Any, registry: Registry[Any]) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(table, Mapping) and isinstance(table.get("name"), str):
        skipped = ("name", "init") if path == "model" else ("name",)
        rest = {key: value for key, value in table.items() if key not in skipped}
        yield from _option_axes(path, rest, registry[table["name"]].options)


def _choice_axes(
    path: str, choice: Any, known: Mapping[str, type[BaseModel] | None]
) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(choice, list):
        yield path, choice
    elif isinstance(choice, Mapping):
        rest = {key: value for key, value in choice.items() if key != "name"}
        yield from _option_axes(path, rest, known.get(str(choice.get("name"))))


def _option_axes(
    path: str, table: Mapping[str, Any], options: type[BaseModel] | None
) -> Iterator[tuple[str, list[Any]]]:
    for key, value in table.items():
        field = options.model_fields.get(key) if options is not None else None
        if not isinstance(value, list):
            continue
        takes_list = field is not None and get_origin(field.annotation) is list
        if not takes_list or (value and all(isinstance(item, list) for item in value)):
            yield f"{path}.{key}", value


def _replace(table: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    head, *rest = path
    return {**table, head: _replace(table[head], rest, value) if rest else value}
