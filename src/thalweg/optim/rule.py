"""Rules: an optimizer's update, acting on the rows of a cohort.

A rule is arithmetic and nothing else: it holds no weights and no state of its own. The same rule
drives a cohort (`RuleOptimizer`) and a plain ``torch.optim.Optimizer`` (`thalweg.optim.as_torch`).
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Closure, Cohort, RowOptimizer
from thalweg.validation import Options

Value = float | Tensor
"""A hyperparameter as a rule sees it: a number, or a column ``(K, 1)`` of one a run."""


class Hyperparameters(Options):
    """Base of every rule's hyperparameters. Floats may differ between the runs of a cohort."""

    lr: float = Field(gt=0)


class Rule(ABC):
    """An optimizer's update.

    Class attributes:
        name: The name a study uses.
        summary: One line of help.
        family: "plain", "adaptive", "exponentiated", ...
        source: Where the update is published.
        options: The hyperparameters.
        freezes_zeros: A weight that is exactly 0 stays so for ever.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    family: ClassVar[str]
    source: ClassVar[str]
    options: type[Hyperparameters]
    freezes_zeros: ClassVar[bool] = False

    def structure(self, h: Any) -> Hashable:
        """Return what must agree for runs to share a cohort: whatever changes the code path.

        By default every hyperparameter that is not a float.
        """
        return tuple(
            (key, getattr(h, key)) for key, kind in _kinds(self.options).items() if kind != "float"
        )

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        """Return the initial state: named tensors of the shape of ``w``."""
        return {}

    @abstractmethod
    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        """Update ``w`` and ``state`` in place.

        Args:
            w: Weights, any shape the hyperparameters broadcast against.
            g: Gradient, the same shape; left as it is.
            state: What `state` returned, as changed by the steps before.
            h: Hyperparameters by name, each a `Value`.
            t: Number of this step, from 1; on CUDA a double-precision tensor ``(1, 1)``.
        """


def add_scaled_(x: Tensor, y: Tensor, factor: Value) -> None:
    """Add factor · y to x, in place."""
    if isinstance(factor, Tensor):
        x.addcmul_(y, factor)
    else:
        x.add_(y, alpha=factor)


def add_weight_decay(g: Tensor, term: Tensor, factor: Value) -> Tensor:
    """Return g + factor · term, without a copy where the factor is the number 0."""
    if isinstance(factor, Tensor):
        return torch.addcmul(g, term, factor)
    return g.add(term, alpha=factor) if factor else g


def _kinds(options: type[Hyperparameters]) -> dict[str, str]:
    return {
        name: "float" if field.annotation is float else "static"
        for name, field in options.model_fields.items()
    }


class RuleOptimizer(RowOptimizer):
    """A rule bound to the rows of a cohort, each with hyperparameters of its own.

    A hyperparameter that all runs share is handed to the rule as a number, which is faster; the
    others as a column.

    Args:
        rule: The update.
        cohort: The rows.
        hyperparameters: One set a run; they must agree in ``rule.structure``.
    """

    def __init__(
        self, rule: Rule, cohort: Cohort, hyperparameters: Sequence[Hyperparameters]
    ) -> None:
        if len({rule.structure(h) for h in hyperparameters}) != 1:
            raise ValueError("the runs of a cohort must share their optimizer's structure")
        self._rule = rule
        self._cohort = cohort
        self._values = SimpleNamespace()
        for name, kind in _kinds(rule.options).items():
            values = [getattr(h, name) for h in hyperparameters]
            shared = kind == "static" or len(set(values)) == 1
            # On CUDA a captured step holds numbers for ever: the learning rate must not be one.
            column = not shared or (name == "lr" and cohort.W.is_cuda)
            setattr(self._values, name, self._column(values) if column else values[0])
        self._base_lr: Value = self._values.lr
        if isinstance(self._base_lr, Tensor):
            self._values.lr = self._base_lr.clone()
        self._step = 0
        self._t: Value = self._column([0.0]).double() if cohort.W.is_cuda else 0.0
        self._state = rule.state(cohort.W, hyperparameters[0])

    def step(self, lr_scale: float | Tensor, closure: Closure) -> int:
        self.advance(lr_scale)
        self.apply()
        return 0

    def advance(self, lr_scale: float | Tensor) -> None:
        """Count the step and set its learning rates."""
        self._step += 1
        if isinstance(self._t, Tensor):
            self._t.fill_(self._step)
        else:
            self._t = float(self._step)
        if isinstance(self._values.lr, Tensor) and isinstance(self._base_lr, Tensor):
            torch.mul(self._base_lr, lr_scale, out=self._values.lr)
        else:
            self._values.lr = self._base_lr * lr_scale

    def apply(self) -> None:
        """Update the weights at the learning rates that `advance` set."""
        self._rule.update(self._cohort.W, self._cohort.G, self._state, self._values, self._t)

    def tensors(self) -> list[Tensor]:
        return list(self._state.values())

    def row_state(self, row: int) -> Any:
        return {
            "step": self._step,
            "state": {name: tensor[row].clone() for name, tensor in self._state.items()},
        }

    def load_row_state(self, row: int, state: Any) -> None:
        self._step = state["step"]
        for name, tensor in self._state.items():
            tensor[row].copy_(state["state"][name])

    def _column(self, values: Sequence[float]) -> Tensor:
        W = self._cohort.W
        return torch.tensor(values, dtype=W.dtype, device=W.device).unsqueeze(1)
