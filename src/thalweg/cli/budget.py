"""What a sweep costs before it is run, and how many trials a budget pays for."""

from collections.abc import Callable, Sequence
from pathlib import Path

from thalweg.errors import InputError
from thalweg.execute.models import load_named_task
from thalweg.optim.method import Method
from thalweg.optim.registry import OPTIMIZERS
from thalweg.spec import RunSpec

MOST_TRIALS = 100_000


def planned_gradients(specs: Sequence[RunSpec], data: Path | None) -> int:
    """Return the minibatch gradients of all runs, if none diverges.

    Raises:
        InputError: The optimizer asks for a number of gradients that is not the same every step.
    """
    return sum(spec.train.epochs * _gradients_per_epoch(spec, data) for spec in specs)


def affordable_trials(budget: int, cost: Callable[[int], int]) -> int:
    """Return the most trials whose cost, which rises with their number, is within the budget.

    Raises:
        InputError: Not one is.
    """
    low, high = 0, 1
    while high <= MOST_TRIALS and cost(high) <= budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) <= budget else (low, middle)
    if low == 0:
        raise InputError(
            f"--budget {budget}: must be at least {cost(1)} gradient evaluations, which one trial "
            "needs"
        )
    return low


def _gradients_per_epoch(spec: RunSpec, data: Path | None) -> int:
    steps = spec.train.steps_per_epoch(len(load_named_task(spec.task, data).train))
    target = OPTIMIZERS[spec.optimizer.name].target
    words = target.gradients if isinstance(target, Method) else "1"
    if not words.isdecimal():
        raise InputError(
            f"--budget: cannot be planned for optimizer {spec.optimizer.name!r}, whose gradients a "
            f"step are {words}; leave --budget out, and bound the sweep by the points of its grid "
            "or --trials, and by --epochs"
        )
    return steps * int(words)
