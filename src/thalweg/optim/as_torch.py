"""Our rules as plain ``torch.optim.Optimizer`` classes, usable in anyone's loop."""

import warnings
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch.optim.optimizer import ParamsT

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
        if self.rule.freezes_zeros(checked):
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
                one = p.unsqueeze(0)  # a cohort of one row
                if not state:
                    state["step"] = 0
                    state["rule"] = self.rule.state(one, h)
                state["step"] += 1
                t = float(state["step"])
                self.rule.update(one, p.grad.unsqueeze(0), state["rule"], h, t)
        return loss


class _AveragingRuleAsTorch(_RuleAsTorch):
    """Base for a rule that averages: the parameters hold the iterate, at which gradients are taken,
    from ``train()`` on, as at first, and the average, which is to be judged, from ``eval()`` on.
    """

    @torch.no_grad()
    def eval(self) -> None:
        """Let the parameters hold the average, for evaluation; nothing if they do."""
        for group in self.param_groups:
            h = SimpleNamespace(**{key: group[key] for key in self._names()})
            for p in group["params"]:
                state = self.state[p]
                if state and "iterate" not in state:
                    state["iterate"] = p.clone()
                    average = self.rule.evaluated(p.unsqueeze(0), state["rule"], h)
                    p.copy_(average.squeeze(0))

    @torch.no_grad()
    def train(self) -> None:
        """Let the parameters hold the iterate again, to go on training; nothing if they do."""
        for p, state in self.state.items():
            if "iterate" in state:
                p.copy_(state.pop("iterate"))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        if any("iterate" in state for state in self.state.values()):
            raise RuntimeError(f"{self.rule.name}: call train() after eval() and before step()")
        return super().step(closure)


def zero_warning(rule: Rule, zeros: int, where: str = "") -> str:
    """Return the warning that weights which start at exactly 0 will never move."""
    split = ", or give split_bias" if "split_bias" in rule.options.model_fields else ""
    return (
        f"{rule.name} multiplies weights, so the {zeros} that start at exactly 0"
        f"{where} will never move; start them elsewhere, for instance by the lognormal init{split}"
    )


def torch_class(rule: Rule) -> type[_RuleAsTorch]:
    """Return the rule as an optimizer class of PyTorch's interface."""
    name = type(rule).__name__
    base = _AveragingRuleAsTorch if rule.averages else _RuleAsTorch
    return type(name, (base,), {"rule": rule, "__doc__": type(rule).__doc__})
