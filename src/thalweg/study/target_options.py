"""The targets of a study, as its file states them."""

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from thalweg.validation import Options


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    return values if values and len(set(map(repr, values))) == len(values) else [None]


def _accuracies(value: Any) -> list[Any]:
    values = _listed(value)
    if any(not _is_number(x) or not 0 < x <= 1 for x in values):
        raise ValueError(
            "must be a share above 0 and at most 1, or a list of different ones (85 % is 0.85)"
        )
    return values


def _losses(value: Any) -> list[Any]:
    values = _listed(value)
    if any(not _is_number(x) or not 0 < x < math.inf for x in values):
        raise ValueError("must be a finite number above 0, or a list of different ones")
    return values


Accuracies = Annotated[list[float], BeforeValidator(_accuracies)]
Losses = Annotated[list[float], BeforeValidator(_losses)]


class Targets(Options):
    """The ``study.targets`` table: one figure or several for each metric.

    An accuracy is reached where it is at least the target, a loss where it is at most that.

    Attributes:
        test_accuracy: Shares in (0, 1].
        validation_accuracy: Shares in (0, 1].
        test_loss: Means an example.
        validation_loss: Means an example.
        train_loss: Means over the minibatches of an epoch.
    """

    test_accuracy: Accuracies = Field(default=[])
    validation_accuracy: Accuracies = Field(default=[])
    test_loss: Losses = Field(default=[])
    validation_loss: Losses = Field(default=[])
    train_loss: Losses = Field(default=[])

    def by_metric(self) -> dict[str, list[float]]:
        """Return the targets of the metrics that have any."""
        return {metric: values for metric, values in self.model_dump().items() if values}
