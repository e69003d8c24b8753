"""Averages of the iterates, at which a run is judged, whatever optimizer makes the iterates.

Batch-norm statistics are not averaged.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from thalweg.cohort import Cohort, RowOptimizer
from thalweg.optim.averaging.average import Average
from thalweg.optim.averaging.averaged import Averaged
from thalweg.optim.averaging.ema import EMA
from thalweg.optim.averaging.lookahead import Lookahead
from thalweg.optim.averaging.polyak import Polyak
from thalweg.optim.averaging.swa import SWA
from thalweg.registry import Registry
from thalweg.validation import validate

__all__ = ["AVERAGES", "Average", "Averaged", "average_iterates", "structure"]

AVERAGES: Registry[Average] = Registry("average")
for _average in (Polyak(), SWA(), EMA(), Lookahead()):
    AVERAGES.add(_average.name, _average.summary, _average.options, _average)


def structure(name: str, options: Mapping[str, Any]) -> Hashable:
    """Return what must agree for two runs to train in one cohort."""
    average = AVERAGES[name].target
    return (name, average.structure(validate(average.options, options)))


def average_iterates(
    name: str,
    inner: RowOptimizer,
    cohort: Cohort,
    options: Sequence[Mapping[str, Any]],
    steps_per_epoch: int,
) -> Averaged:
    """Return an optimizer with the named average of its iterates, one set of options a row."""
    average = AVERAGES[name].target
    checked = [validate(average.options, o) for o in options]
    return Averaged(inner, average, cohort, checked, steps_per_epoch)
