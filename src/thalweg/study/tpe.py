"""Choosing trials by the results of those before, with Optuna's tree-structured Parzen estimator.

Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011; Akiba et al.,
arXiv:1907.10902.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from thalweg.errors import InputError
from thalweg.study.axes import Axes
from thalweg.study.ranges import Range


def require_optuna() -> None:
    """Raise InputError where Optuna is not installed."""
    if find_spec("optuna") is None:
        raise InputError(
            "search.method = 'optuna': needs Optuna, pip install 'thalweg[optuna]', or must be "
            "'grid' or 'random'"
        )


def propose(
    space: Mapping[str, Range | list[Any]],
    history: Sequence[Axes],
    ranks: Sequence[float],
    count: int,
    seed: int,
) -> list[Axes]:
    """Return the next points, a function of nothing but the arguments.

    The estimator sees ranks in place of figures: it only asks which of two trials is the better,
    and diverged runs have no finite figure. Of the points of one call each is taken for bad by
    those that follow it (the constant liar), so that they spread out.

    Args:
        space: A range or a list by key path.
        history: The points trained so far.
        ranks: Of each of them, 0 for the best.
        count: Points wanted.
        seed: Of the estimator's draws.
    """
    import optuna  # an extra

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        distributions = {path: _distribution(optuna, values) for path, values in space.items()}
        sampler = optuna.samplers.TPESampler(n_startup_trials=0, constant_liar=True, seed=seed)
        study = optuna.create_study(sampler=sampler)
        for point, rank in zip(history, ranks, strict=True):
            parameters = {path: _to_optuna(space[path], value) for path, value in point.items()}
            study.add_trial(
                optuna.trial.create_trial(
                    params=parameters, distributions=distributions, value=float(rank)
                )
            )
        asked = [study.ask(distributions).params for _ in range(count)]
    finally:
        optuna.logging.set_verbosity(level)
    return [{path: _from_optuna(space[path], p[path]) for path in space} for p in asked]


def _distribution(optuna: Any, values: Range | list[Any]) -> Any:
    if isinstance(values, Range):
        return optuna.distributions.FloatDistribution(values.low, values.high, log=True)
    return optuna.distributions.CategoricalDistribution(range(len(values)))


def _to_optuna(values: Range | list[Any], value: Any) -> Any:
    if isinstance(values, Range):
        return min(max(value, values.low), values.high)  # rounding may have left the range
    return values.index(value)


def _from_optuna(values: Range | list[Any], value: Any) -> Any:
    return values.rounded(value) if isinstance(values, Range) else values[value]
