"""The space that a search draws from: a range or a list of values for each hyperparameter."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from thalweg.study.axes import Axes, list_axes
from thalweg.study.ranges import Range, is_range, parse_range
from thalweg.study.source import Table, merge

Space = dict[str, Range | list[Any]]
"""By key path a distribution, ``Range.points`` being None, or the values to choose from."""


def filled_grids(table: Mapping[str, Any]) -> tuple[Table, dict[str, Range]]:
    """Return an arm's tables with every ``LOW..HIGH:POINTS`` as the list it stands for, and the
    ``LOW..HIGH:log`` ranges by key path.

    Raises:
        InputError: A range is wrong.
    """
    filled: Table = dict(table)
    drawn: dict[str, Range] = {}
    for path, text in _range_texts(table):
        found = parse_range(text, f"{path} =")
        if found.points is None:
            drawn[path] = found
        else:
            filled = fill(filled, path, found.grid())
    return filled, drawn


def search_space(table: Mapping[str, Any]) -> Space:
    """Return the space of an arm: its ranges, and its lists where a single value is expected.

    Raises:
        InputError: A range is wrong.
    """
    filled, drawn = filled_grids(table)
    return {**drawn, **dict(list_axes(filled))}


def random_trials(space: Mapping[str, Range | list[Any]], count: int, seed: int) -> list[Axes]:
    """Draw points uniformly and independently, ranges on the logarithmic scale.

    More draws with the same seed begin with the same draws.
    """
    shares = np.random.default_rng(seed).random((count, len(space)))
    return [
        {
            path: values[int(share * len(values))]
            if isinstance(values, list)
            else values.quantile(share)
            for (path, values), share in zip(space.items(), row, strict=True)
        }
        for row in shares.tolist()
    ]


def fill_all(table: Table, values: Axes) -> Table:
    """Return an arm's tables with values filled in at their key paths."""
    for path, value in values.items():
        table = fill(table, path, value)
    return table


def fill(table: Table, path: str, value: Any) -> Table:
    """Return an arm's tables with one value filled in."""
    nested = value
    for key in reversed(path.split(".")):
        nested = {key: nested}
    return merge(table, nested)


def _range_texts(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _range_texts(value, f"{prefix}{key}.")
        elif isinstance(value, str) and is_range(value):
            yield f"{prefix}{key}", value
