"""Sparsities by name: methods that act while a network trains, and pruning by rounds."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from thalweg.registry import Registry
from thalweg.sparsity.methods import METHODS
from thalweg.sparsity.rounds import RoundsOptions
from thalweg.sparsity.sparsifier import Setting, Sparsifier
from thalweg.validation import validate

ROUNDS = "imp"
"""The name of pruning by rounds, each a run of its own."""

SPARSITIES: Registry[type[Sparsifier] | None] = Registry("sparsity")
SPARSITIES.add(
    ROUNDS,
    "rounds of training, pruning and rewinding (iterative magnitude pruning, lottery tickets)",
    RoundsOptions,
    None,
)
for _method in METHODS:
    SPARSITIES.add(_method.name, _method.summary, _method.options, _method)


def structure(name: str, options: Mapping[str, Any]) -> Hashable:
    """Return what must agree for two runs to train in one cohort."""
    method = SPARSITIES[name].target
    if method is None:
        start = validate(RoundsOptions, options, "sparsity").start
        return name, start.schedule, start.unit, start.count
    return name, method.structure(validate(method.options, options, "sparsity"))


def bind_sparsity(
    name: str, setting: Setting, options: Sequence[Mapping[str, Any]]
) -> Sparsifier | None:
    """Return the named sparsity acting on the cohort's rows, one set of options a row; None where
    nothing but the mask they begin with is to be held.
    """
    method = SPARSITIES[name].target
    if method is None:
        return None
    checked = [validate(method.options, each, "sparsity") for each in options]
    return method(setting, checked)
