"""Our rules as plain ``torch.optim.Optimizer`` classes, usable in anyone's loop."""

import warnings
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch.optim.optimizer import ParamsT

from thalweg.optim import adam, exponentiated, sgd
from thalweg.optim.rule import Rule
from thalweg.validation import validate


class _RuleAsTorch(torch.optim.Optimizer):
    """Base: applies ``rule`` to every parameter of every group.

    Args:
        params: Parameters or parameter groups, as for any PyTorch optimizer.
        hyperparameters: See the rule's ``options``.

    Raises:
        InputError: A hyperparameter is unknown or out of range (also a ``ValueError``).
    """

    rule: ClassVar[Rule]

    def __init__(self, params: ParamsT, **hyperparameters: Any) -> None:
        checked = validate(self.rule.options, hyperparameters, self.rule.name)
        super().__init__(params, checked.model_dump())
        if self.rule.freezes_zeros:
            zeros = sum(int((p == 0).sum()) for group in self.param_groups for p in group["params"])
            if zeros:
                warnings.warn(zero_warning(self.rule, zeros), stacklevel=2)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        given = {key: param_group.get(key, self.defaults[key]) for key in self._names()}
        validate(self.rule.options, given, self.rule.name)
        super().add_param_group(param_group)

    def _names(self) -> Iterable[str]:
        # Not those of ``defaults``, to which PyTorch adds its own when a state is loaded.
        return self.rule.options.model_fields

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            h = SimpleNamespace(**{key: group[key] for key in self._names()})
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["step"] = 0
                    state["rule"] = self.rule.state(p, h)
                state["step"] += 1
                self.rule.update(p, p.grad, state["rule"], h, float(state["step"]))
        return loss


def zero_warning(rule: Rule, zeros: int, where: str = "") -> str:
    """Return the warning that weights which start at exactly 0 will never move."""
    return (
        f"{rule.name} multiplies weights, so the {zeros} that start at exactly 0"
        f"{where} will never move; start them elsewhere, for instance by the lognormal init"
    )


class SGD(_RuleAsTorch):
    __doc__ = sgd.SGD.__doc__
    rule = sgd.SGD()


class Adam(_RuleAsTorch):
    __doc__ = adam.Adam.__doc__
    rule = adam.Adam()


class AdamW(_RuleAsTorch):
    __doc__ = adam.AdamW.__doc__
    rule = adam.AdamW()


class SGDEG(_RuleAsTorch):
    __doc__ = exponentiated.SGDEG.__doc__
    rule = exponentiated.SGDEG()
