"""Optimizers by name: our rules, and anyone's ``torch.optim.Optimizer``."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch

from thalweg.cohort import Cohort, RowOptimizer
from thalweg.errors import InputError, TrustError
from thalweg.optim import (
    adaptive,
    exponentiated,
    flatness,
    noise_reduction,
    plain,
    second_order,
    step_size,
)
from thalweg.optim.adapter import TorchOptimizer
from thalweg.optim.method import Method
from thalweg.optim.rule import Rule, RuleOptimizer
from thalweg.optim.zoo import construct, needs_of, refusal
from thalweg.registry import Entry, Registry, check_keywords
from thalweg.validation import brief, validate

Target = Rule | Method | type[torch.optim.Optimizer]


def _adopt(reference: str, target: Any) -> Entry[Target]:
    if not (isinstance(target, type) and issubclass(target, torch.optim.Optimizer)):
        raise InputError(f"optimizer {reference!r}: must be a subclass of torch.optim.Optimizer")
    summary = (target.__doc__ or "").strip().partition("\n")[0]
    return Entry(reference, summary, None, target)


OPTIMIZERS: Registry[Target] = Registry("optimizer", _adopt)
FAMILIES = (plain, adaptive, exponentiated, noise_reduction, second_order, step_size, flatness)
OWN: tuple[Rule | Method, ...] = tuple(own for family in FAMILIES for own in family.OWN)
for _own in OWN:
    OPTIMIZERS.add(_own.name, _own.summary, _own.options, _own)


def check_optimizer(name: str, options: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return an optimizer's hyperparameters, checked, with the defaults filled in.

    Raises:
        InputError: Unknown optimizer or hyperparameter, or a value that is not allowed.
        TrustError: An optimizer, or one that it wraps, may not be imported.
    """
    entry = OPTIMIZERS[name]
    if entry.options is not None:
        return validate(entry.options, options, path).model_dump(exclude_none=True)
    assert isinstance(entry.target, type)
    why = refusal(entry.target)
    if why is not None:
        raise InputError(f"{path or 'optimizer'}: {name} {why}")
    check_keywords(name, entry.target, dict(options), reserved=1)
    probe = [torch.nn.Parameter(torch.ones(2, 2))]
    try:
        construct(entry.target, probe, options)
    except TrustError:
        raise
    except Exception as error:  # a stranger's code may raise anything
        given = ", ".join(f"{key}={value!r}" for key, value in options.items())
        raise InputError(
            f"{path or 'optimizer'}: {name}({given}) was refused: {brief(error)}"
        ) from error
    return dict(options)


def structure(name: str, options: Mapping[str, Any]) -> Hashable:
    """Return what must agree for two runs to train in one cohort."""
    entry = OPTIMIZERS[name]
    if isinstance(entry.target, Rule | Method):
        checked = validate(entry.target.options, options)
        return (name, entry.target.structure(checked))
    return name


def needs_own_cohort(name: str) -> bool:
    """Return whether each run must be a cohort of its own (closures are about one run)."""
    target = OPTIMIZERS[name].target
    if isinstance(target, Method):
        return not target.stacks
    return isinstance(target, type) and "closure" in needs_of(target)


def averages_iterates(name: str) -> bool:
    """Return whether an optimizer's runs are judged at an average of its own."""
    target = OPTIMIZERS[name].target
    needs = target.needs if isinstance(target, Rule | Method) else needs_of(target)
    return "average" in needs


def bind_optimizer(
    name: str, cohort: Cohort, hyperparameters: Sequence[Mapping[str, Any]]
) -> RowOptimizer:
    """Return the named optimizer acting on the cohort's rows, one set of options a row."""
    target = OPTIMIZERS[name].target
    if isinstance(target, Rule):
        checked = [validate(target.options, options) for options in hyperparameters]
        return RuleOptimizer(target, cohort, checked)
    if isinstance(target, Method):
        return target.bind(cohort, [validate(target.options, o) for o in hyperparameters])
    return TorchOptimizer(target, cohort, [dict(options) for options in hyperparameters])
