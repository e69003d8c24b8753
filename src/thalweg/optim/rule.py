"""Rules: an optimizer's update, acting on the rows of a cohort.

A rule is arithmetic and nothing else: it holds no weights and no state of its own. The same rule
drives a cohort (`RuleOptimizer`) and a plain ``torch.optim.Optimizer`` (`thalweg.optim.as_torch`).
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.cohort.optimizer import Stability
from thalweg.validation import Options

CACHED_WEIGHTS = 1 << 16
"""Weights a rule is called for at a time on a CPU: 256 KiB a matrix."""

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
        by_parameter: The update does not act on each weight alone: it is called for one parameter
            at a time, with its shape.
        averages: The runs are judged at other weights than the iterate: see `evaluated`.
        mixes: An entry of the state is about many weights, so that it cannot be started anew for
            one of them.
        capturable: On CUDA a step may be captured as a graph. False for a rule that does other
            things at some steps than at others, or whose operations wait for the host.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    family: ClassVar[str]
    source: ClassVar[str]
    options: type[Hyperparameters]
    by_parameter: ClassVar[bool] = False
    averages: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    capturable: ClassVar[bool] = True

    @property
    def needs(self) -> frozenset[str]:
        """What it needs beyond the gradient, of `thalweg.optim.needs.NEEDS`."""
        found = {"shapes": self.by_parameter, "average": self.averages}
        return frozenset(name for name, needed in found.items() if needed)

    def freezes_zeros(self, h: Any) -> bool:
        """Return whether a weight that is exactly 0 stays so for ever."""
        return False

    def structure(self, h: Any) -> Hashable:
        """Return what must agree for runs to share a cohort: whatever changes the code path.

        By default every hyperparameter that is not a float.
        """
        return structure_of(self.options, h)

    def state(self, w: Tensor, h: Any) -> dict[str, Tensor]:
        """Return the initial state: named tensors whose first dimension is that of ``w``."""
        return {}

    @abstractmethod
    def update(self, w: Tensor, g: Tensor, state: Mapping[str, Tensor], h: Any, t: Value) -> None:
        """Update ``w`` and ``state`` in place.

        Args:
            w: Weights of some runs, ``(K, D)``; for a rule ``by_parameter`` one parameter of them,
                ``(K, *shape)``. A rule of neither kind must do with any shape.
            g: Gradient, the same shape; left as it is.
            state: What `state` returned, as changed by the steps before.
            h: Hyperparameters by name, each a `Value` that broadcasts against ``w``.
            t: Number of this step, from 1; on CUDA a double-precision tensor ``(1, 1)``.
        """

    def evaluated(self, w: Tensor, state: Mapping[str, Tensor], h: Any) -> Tensor:
        """Return the weights at which a run is judged, for a rule that ``averages``."""
        return w

    def stability(
        self, state: Mapping[str, Tensor], h: Any, t: Value
    ) -> tuple[Value, Tensor | None] | None:
        """Return threshold and preconditioner of `thalweg.cohort.optimizer.Stability`; None where
        they are not known.

        Args:
            state: After the last step.
            h: Hyperparameters of that step.
            t: Its number.
        """
        return None


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


def structure_of(options: type[Hyperparameters], h: Any) -> Hashable:
    """Return every hyperparameter that is not a float, by name."""
    return tuple(
        (key, getattr(h, key)) for key in options.model_fields if not is_float(options, key)
    )


def is_float(options: type[Hyperparameters], key: str) -> bool:
    """Return whether a hyperparameter may differ between the rows of a cohort."""
    return options.model_fields[key].annotation is float


class RowsWithState(RowOptimizer):
    """Base of optimizers whose state is named tensors, one row a run.

    A hyperparameter that all runs share is held as a number, which is faster; the others as a
    column ``(K, 1)``.

    Args:
        options: Names and kinds of the hyperparameters.
        cohort: The rows.
        hyperparameters: One set a run.

    Attributes:
        cohort: The rows.
        h: Hyperparameters by name, each a `Value`; ``h.lr`` is that of the current step.
        t: Number of the current step, from 1; on CUDA a double-precision tensor ``(1, 1)``.
        state: Named tensors whose first dimension is the run.
    """

    def __init__(
        self,
        options: type[Hyperparameters],
        cohort: Cohort,
        hyperparameters: Sequence[Hyperparameters],
    ) -> None:
        self.cohort = cohort
        self.h = SimpleNamespace()
        for name in options.model_fields:
            values = [getattr(h, name) for h in hyperparameters]
            shared = not is_float(options, name) or len(set(values)) == 1
            # On CUDA a captured step holds numbers for ever: the learning rate must not be one.
            column = not shared or (name == "lr" and cohort.W.is_cuda)
            setattr(self.h, name, self._column(values) if column else values[0])
        self._base_lr: Value = self.h.lr
        if isinstance(self._base_lr, Tensor):
            self.h.lr = self._base_lr.clone()
        self._step = 0
        self.t: Value = self._column([0.0]).double() if cohort.W.is_cuda else 0.0
        self.state: dict[str, Tensor] = {}

    def advance(self, lr_scale: float | Tensor) -> None:
        """Count the step and set its learning rates."""
        self._step += 1
        if isinstance(self.t, Tensor):
            self.t.fill_(self._step)
        else:
            self.t = float(self._step)
        if isinstance(self.h.lr, Tensor) and isinstance(self._base_lr, Tensor):
            torch.mul(self._base_lr, lr_scale, out=self.h.lr)
        else:
            self.h.lr = self._base_lr * lr_scale

    def threshold(self, value: Value) -> Tensor:
        """Return a figure of every run ``(K,)``."""
        W = self.cohort.W
        return (
            value.expand(len(W), 1)[:, 0]
            if isinstance(value, Tensor)
            else W.new_full((len(W),), value)
        )

    def tensors(self) -> list[Tensor]:
        return list(self.state.values())

    def row_state(self, row: int) -> Any:
        state = {name: tensor[row].clone() for name, tensor in self.state.items()}
        return {"step": self._step, "state": state}

    def load_row_state(self, row: int, state: Any) -> None:
        self._step = state["step"]
        for name, tensor in self.state.items():
            tensor[row].copy_(state["state"][name])

    def renew(self, where: Tensor) -> None:
        for tensor in self.state.values():
            if tensor.shape == where.shape:
                tensor.masked_fill_(where, 0)

    def _column(self, values: Sequence[float]) -> Tensor:
        W = self.cohort.W
        return torch.tensor(values, dtype=W.dtype, device=W.device).unsqueeze(1)


class RuleOptimizer(RowsWithState):
    """A rule bound to the rows of a cohort, each with hyperparameters of its own.

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
        super().__init__(rule.options, cohort, hyperparameters)
        self._rule = rule
        self._hyperparameters = hyperparameters[0]
        # What the rule is called for: all weights at once, or one parameter after the other.
        whole = {"": slice(0, cohort.layout.size)}
        self._columns = cohort.layout.slices if rule.by_parameter else whole
        self._shapes = dict(zip(cohort.layout.names, cohort.layout.shapes, strict=True))
        for name in self._columns:
            for key, tensor in rule.state(self._part(cohort.W, name), hyperparameters[0]).items():
                self.state[_key(name, key)] = tensor
        self._calls = list(self._split())

    def _split(self) -> Iterator[tuple[Tensor, Tensor, dict[str, Tensor], slice]]:
        """Yield what the rule is called for in a step: weights, gradient, state, and which rows."""
        W, G = self.cohort.W, self.cohort.G
        # A rule passes over the matrix several times: on a CPU a few rows at a time, so that
        # operands and temporaries stay in the cache; a rule that may multiply matrices one by one,
        # since a batched product may round a row otherwise than the product of that row alone.
        cached = 1 if self._rule.by_parameter else max(1, CACHED_WEIGHTS // W.shape[1])
        together = len(W) if W.is_cuda else cached
        for name in self._columns:
            w, g, state = self._part(W, name), self._part(G, name), self._own(name)
            for rows in (slice(k, k + together) for k in range(0, len(W), together)):
                part = {key: tensor[rows] for key, tensor in state.items()}
                yield w[rows], g[rows], part, rows

    def stability(self) -> Stability | None:
        if self._rule.by_parameter:
            return None
        found = self._rule.stability(self.state, self.h, self.t)
        return None if found is None else Stability(self.threshold(found[0]), found[1])

    @property
    def capturable(self) -> bool:
        return self._rule.capturable

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        self.advance(lr_scale)
        self.apply()

    def apply(self) -> None:
        """Update the weights at the learning rates that `advance` set."""
        for w, g, state, rows in self._calls:
            self._rule.update(w, g, state, self._values(rows, w.ndim), self.t)

    def renew(self, where: Tensor) -> None:
        if self._rule.mixes:
            return
        for name in self._columns:
            w, chosen = self._part(self.cohort.W, name), self._part(where, name)
            state = self._own(name)
            for key, fresh in self._rule.state(w, self._hyperparameters).items():
                if fresh.shape == w.shape:
                    state[key].copy_(torch.where(chosen, fresh, state[key]))

    def evaluated(self) -> Tensor | None:
        if not self._rule.averages:
            return None
        found = torch.empty_like(self.cohort.W)
        for name in self._columns:
            w = self._part(self.cohort.W, name)
            h = self._values(slice(None), w.ndim)
            self._part(found, name).copy_(self._rule.evaluated(w, self._own(name), h))
        return found

    def _part(self, matrix: Tensor, name: str) -> Tensor:
        part = matrix[:, self._columns[name]]
        return part.view(len(part), *self._shapes[name]) if name else part

    def _own(self, name: str) -> dict[str, Tensor]:
        """Return the state of one parameter, or of all weights where the name is empty."""
        if not name:
            return self.state
        prefix = _key(name, "")
        return {
            key.removeprefix(prefix): tensor
            for key, tensor in self.state.items()
            if key.startswith(prefix)
        }

    def _values(self, rows: slice, dimensions: int) -> SimpleNamespace:
        """Return the hyperparameters of some rows, columns shaped to broadcast against weights."""
        if not any(isinstance(value, Tensor) for value in vars(self.h).values()):
            return self.h
        shape = (-1, *[1] * (dimensions - 1))
        return SimpleNamespace(
            **{
                key: value[rows].view(shape) if isinstance(value, Tensor) else value
                for key, value in vars(self.h).items()
            }
        )


def _key(parameter: str, name: str) -> str:
    """Return under which name the state of one parameter is kept."""
    return f"{parameter}/{name}" if parameter else name
