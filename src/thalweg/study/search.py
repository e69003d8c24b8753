"""Which points of the hyperparameters are trained: the whole grid, points drawn at random, or
points that a sampler chooses by the results so far.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from thalweg.errors import InputError
from thalweg.study.axes import Axes, expand_grid
from thalweg.study.ranges import Range
from thalweg.study.source import Table
from thalweg.study.space import fill_all, filled_grids, random_trials, search_space
from thalweg.study.tpe import require_optuna
from thalweg.validation import Options

Point = tuple[Axes, Table]


class SearchOptions(Options):
    """The ``[search]`` table.

    Attributes:
        method: "grid"; "random": every ``LOW..HIGH:log`` is drawn log-uniformly, independently
            in every trial (Bergstra and Bengio, "Random search for hyper-parameter optimization",
            JMLR 13, 2012), and lists are crossed with the trials; "optuna": ranges and lists are
            chosen by the results of the trials before, see `thalweg.study.tpe`.
        trials: Draws of a search that is no grid, in every arm.
        seed: Seed of the draws. More trials with the same seed begin with the same draws.
        batch: Trials that an "optuna" search chooses, and trains, at a time; 10 if absent. The
            first so many are drawn at random.
        drawn: Values by key path of the trials that an "optuna" search has chosen, by arm. It is
            written by the search as it goes.
        points: Positions, from 0, of the points that are trained; absent for all.
    """

    method: Literal["grid", "random", "optuna"] = "grid"
    trials: int | None = Field(default=None, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0)
    batch: int | None = Field(default=None, ge=1)
    drawn: dict[str, list[dict[str, Any]]] | None = None
    points: list[int] | None = None


def expand_search(table: Mapping[str, Any], search: SearchOptions, arm: str) -> list[Point]:
    """Return the points of an arm: the values by key path, and the tables with them filled in.

    Raises:
        InputError: A range is wrong, search and ranges do not fit together, or Optuna is missing.
    """
    filled, drawn = filled_grids(table)
    if search.method != "optuna":
        for key in ("batch", "drawn"):
            if getattr(search, key) is not None:
                raise InputError(f"search.{key}: must be left out, unless method = 'optuna'")
    if search.method == "random":
        points = list(_draw(filled, drawn, search))
    elif search.method == "optuna":
        points = list(_chosen(filled, search, arm))
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
    trials = _trials(search)
    if not drawn:
        raise InputError("search.method = 'random': needs a LOW..HIGH:log range, as in 1e-4..1:log")
    for values in random_trials(drawn, trials, search.seed):
        for axes, point in expand_grid(fill_all(table, values)):
            yield {**values, **axes}, point


def _chosen(table: Table, search: SearchOptions, arm: str) -> Iterator[Point]:
    """Yield the trials of an arm once each: those chosen so far, or, before any has been, as many
    random ones as there are to be.
    """
    trials, space = _trials(search), search_space(table)
    if not space:
        raise InputError(
            "search.method = 'optuna': needs a LOW..HIGH:log range, as in 1e-4..1:log, or a list"
        )
    chosen = (search.drawn or {}).get(arm)
    if chosen is None or len(chosen) < trials:
        require_optuna()
    if chosen is None:
        chosen = random_trials(space, trials, search.seed)
    seen: list[Axes] = []
    for values in chosen:
        if set(values) != set(space):
            raise InputError(f"search.drawn: every trial must have the keys {', '.join(space)}")
        if values not in seen:
            seen.append(values)
            yield values, fill_all(table, values)


def _trials(search: SearchOptions) -> int:
    if search.trials is None:
        what = {"random": "a random search", "optuna": "an Optuna search"}[search.method]
        raise InputError(f"search.trials: is missing, {what} needs a number of trials")
    return search.trials
