"""The targets of a study, as its file states them."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from thalweg.errors import InputError
from thalweg.validation import Options, unknown

MEDIAN = "median:"
"""What stands before the name of an arm whose median run sets a target."""

Target = float | str
"""A figure, or ``median:ARM``."""


def median_arm(target: Target) -> str:
    """Return the arm whose median run sets a target; "" for a given figure."""
    return target.removeprefix(MEDIAN) if isinstance(target, str) else ""


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_median(value: Any) -> bool:
    return isinstance(value, str) and bool(median_arm(value)) and value.startswith(MEDIAN)


def _is_share(value: Any) -> bool:
    return _is_figure(value) and 0 < value <= 1


def _is_loss(value: Any) -> bool:
    return _is_figure(value) and 0 < value < math.inf


def _each(allowed: Callable[[Any], bool], wanted: str) -> BeforeValidator:
    """Return what checks a value, or a list of different ones, and lists it."""

    def check(value: Any) -> list[Any]:
        values = value if isinstance(value, list) else [value]
        different = len(set(map(repr, values))) == len(values) > 0
        if not different or not all(map(allowed, values)):
            raise ValueError(f"must be {wanted}, or a list of different ones")
        return values

    return BeforeValidator(check)


def _one_or_more(*allowed: dict[str, Any]) -> WithJsonSchema:
    """Return the JSON Schema of a value, or a list of different ones."""
    several = {"type": "array", "items": {"anyOf": [*allowed]}, "minItems": 1, "uniqueItems": True}
    return WithJsonSchema({"anyOf": [*allowed, several]})


_SHARE = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_LOSS = {"type": "number", "exclusiveMinimum": 0}
_MEDIAN = {"type": "string", "pattern": f"^{MEDIAN}.+", "title": f'"{MEDIAN}ARM"'}

Accuracies = Annotated[
    list[Target],
    _each(
        lambda value: _is_share(value) or _is_median(value),
        'a share above 0 and at most 1 (85 % is 0.85), "median:ARM"',
    ),
    _one_or_more(_SHARE, _MEDIAN),
]
Losses = Annotated[
    list[Target],
    _each(
        lambda value: _is_loss(value) or _is_median(value),
        'a finite number above 0, "median:ARM"',
    ),
    _one_or_more(_LOSS, _MEDIAN),
]
BatchLosses = Annotated[
    list[float], _each(_is_loss, "a finite number above 0"), _one_or_more(_LOSS)
]


class Targets(Options):
    """The ``study.targets`` table: one figure or several for each metric.

    An accuracy is reached where it is at least the target, a loss where it is at most that. Instead
    of a figure ``"median:ARM"`` stands for the median over seeds of that arm's final figures at its
    selected point.

    Attributes:
        test_accuracy: Accuracies on the test split to reach, shares in (0, 1].
        validation_accuracy: Accuracies on the validation split to reach, shares in (0, 1].
        test_loss: Losses on the test split to reach, means an example.
        validation_loss: Losses on the validation split to reach, means an example.
        train_loss: Losses to reach in training, means over the minibatches of an epoch; figures
            only, as the final train loss of a run is one of the whole split.
    """

    test_accuracy: Accuracies = Field(default=[])
    validation_accuracy: Accuracies = Field(default=[])
    test_loss: Losses = Field(default=[])
    validation_loss: Losses = Field(default=[])
    train_loss: BatchLosses = Field(default=[])

    def by_metric(self) -> dict[str, list[Target]]:
        """Return the targets of the metrics that have any."""
        return {metric: values for metric, values in self.model_dump().items() if values}


def check_targets(targets: Mapping[str, Iterable[Target]], arms: Iterable[str]) -> None:
    """Refuse a target that is set by an arm which the study does not have.

    Raises:
        InputError: There is one.
    """
    allowed = list(arms)
    for metric, values in targets.items():
        for value in values:
            if median_arm(value) not in ("", *allowed):
                sentence = unknown("arm", median_arm(value), allowed)
                raise InputError(f"study.targets.{metric} = {value!r}: {sentence}")
