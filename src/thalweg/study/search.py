"""Which points of the hyperparameters are trained: the whole grid, or points drawn at random."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from thalweg.errors import InputError
from thalweg.study.axes import Axes, expand_grid
from thalweg.study.ranges import Range, is_range, parse_range
from thalweg.study.source import Table, merge
from thalweg.validation import Options

Point = tuple[Axes, Table]


class SearchOptions(Options):
    """The ``[search]`` table.

    Attributes:
        method: "grid", or "random": every ``LOW..HIGH:log`` is drawn log-uniformly, independently
            in every trial (Bergstra and Bengio, "Random search for hyper-parameter optimization",
            JMLR 13, 2012), and lists are crossed with the trials.
        trials: Draws of a random search.
        seed: Seed of the draws. More trials with the same seed begin with the same draws.
        points: Positions, from 0, of the points that are trained; absent for all.
    """

    method: Literal["grid", "random"] = "grid"
    trials: int | None = Field(default=None, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0)
    points: list[int] | None = None


def expand_search(table: Mapping[str, Any], search: SearchOptions) -> list[Point]:
    """Return the points of an arm: the values by key path, and the tables with them filled in.

    Raises:
        InputError: A range is wrong, or search and ranges do not fit together.
    """
    ranges = {path: parse_range(text, f"{path} =") for path, text in _range_texts(table)}
    drawn = {path: found for path, found in ranges.items() if found.points is None}
    filled: Table = dict(table)
    for path, found in ranges.items():
        if found.points is not None:
            filled = _fill(filled, path, found.grid())
    if search.method == "random":
        points = list(_draw(filled, drawn, search))
    elif drawn:
        path = next(iter(drawn))
        raise InputError(f"{path}: a LOW..HIGH:log range must be drawn, with --search random")
    elif search.trials is not None:
        raise InputError(f"search.trials = {search.trials}: must be left out of a grid search")
    else:
        points = list(expand_grid(filled))
    if search.points is None:
        return points
    for position in search.points:
        if not 0 <= position < len(points):
            raise InputError(f"search.points: {position} must be from 0 to {len(points) - 1}")
    return [points[position] for position in search.points]


def _draw(table: Table, drawn: Mapping[str, Range], search: SearchOptions) -> Iterator[Point]:
    if search.trials is None:
        raise InputError("search.trials: is missing, a random search needs a number of trials")
    if not drawn:
        raise InputError("search.method = 'random': needs a LOW..HIGH:log range, as in 1e-4..1:log")
    # Row by row, so that the first trials are the same however many follow.
    shares = np.random.default_rng(search.seed).random((search.trials, len(drawn)))
    for row in shares:
        values = {
            path: found.quantile(share)
            for (path, found), share in zip(drawn.items(), row.tolist(), strict=True)
        }
        filled = table
        for path, value in values.items():
            filled = _fill(filled, path, value)
        for axes, point in expand_grid(filled):
            yield {**values, **axes}, point


def _range_texts(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _range_texts(value, f"{prefix}{key}.")
        elif isinstance(value, str) and is_range(value):
            yield f"{prefix}{key}", value


def _fill(table: Table, path: str, value: Any) -> Table:
    nested = value
    for key in reversed(path.split(".")):
        nested = {key: nested}
    return merge(table, nested)
