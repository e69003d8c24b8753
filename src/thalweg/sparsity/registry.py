"""Sparsities by name."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from thalweg.cohort import Cohort, Constraint
from thalweg.registry import Registry
from thalweg.sparsity.options import SparsityOptions
from thalweg.sparsity.projection import Projection
from thalweg.sparsity.pruning import MagnitudePruning, PruningOptions
from thalweg.validation import validate

Binder = Callable[[Cohort, Sequence[Any]], Constraint]

SPARSITIES: Registry[Binder] = Registry("sparsity")
SPARSITIES.add(
    "projection", "the k largest weights after every step, others 0", SparsityOptions, Projection
)
SPARSITIES.add(
    "magnitude", "pruned once to the k largest, then trained on", PruningOptions, MagnitudePruning
)


def structure(name: str, options: Mapping[str, Any]) -> Hashable:
    """Return what must agree for two runs to train in one cohort."""
    return name, options.get("after_epoch")


def bind_sparsity(name: str, cohort: Cohort, options: Sequence[Mapping[str, Any]]) -> Constraint:
    """Return the named sparsity acting on the cohort's rows, one set of options a row."""
    entry = SPARSITIES[name]
    assert entry.options is not None
    return entry.target(cohort, [validate(entry.options, each, "sparsity") for each in options])
