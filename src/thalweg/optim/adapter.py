"""Any ``torch.optim.Optimizer`` on a cohort: one instance a row."""

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.cohort import Closure, Cohort, RowOptimizer
from thalweg.errors import InputError, ThalwegError
from thalweg.validation import brief


class TorchOptimizer(RowOptimizer):
    """Runs an optimizer class of PyTorch's interface, one instance for each row.

    Each instance holds parameters that are views into its row of W, with ``.grad`` views into its
    row of G, so whatever it does in place happens to the cohort.

    Args:
        factory: The optimizer class; called with the parameters and the hyperparameters.
        cohort: The rows; exactly one if the optimizer evaluates closures, since a closure is
            about one run.
        hyperparameters: Keyword arguments, one dict a run.

    Raises:
        InputError: The class refuses its hyperparameters or the network's parameters.
    """

    def __init__(
        self,
        factory: type[torch.optim.Optimizer],
        cohort: Cohort,
        hyperparameters: Sequence[dict[str, Any]],
    ) -> None:
        self._needs_closure = needs_closure(factory)
        if self._needs_closure and cohort.rows != 1:
            raise ValueError("an optimizer that evaluates closures needs a cohort of one row")
        self._optimizers = []
        for row, keywords in enumerate(hyperparameters):
            parameters = []
            gradients = cohort.layout.views(cohort.G[row])
            for name, view in cohort.layout.views(cohort.W[row]).items():
                parameter = torch.nn.Parameter(view)
                parameter.grad = gradients[name]
                parameters.append(parameter)
            try:
                self._optimizers.append(factory(parameters, **keywords))
            except Exception as error:  # a stranger's code may raise anything
                given = ", ".join(f"{key}={value!r}" for key, value in keywords.items())
                raise InputError(
                    f"optimizer: {factory.__name__}({given}) was refused: {brief(error)}"
                ) from error
        self._base_lr = [
            [group["lr"] for group in optimizer.param_groups if "lr" in group]
            for optimizer in self._optimizers
        ]

    def step(self, lr_scale: float | Tensor, closure: Closure) -> int:
        calls = 0

        def counted() -> Tensor:
            nonlocal calls
            calls += 1
            return closure()[0]

        for row, optimizer in enumerate(self._optimizers):
            scale = float(lr_scale[row]) if isinstance(lr_scale, Tensor) else lr_scale
            for group, lr in zip(optimizer.param_groups, self._base_lr[row], strict=False):
                group["lr"] = lr * scale
            try:
                if self._needs_closure:
                    optimizer.step(counted)  # type: ignore[arg-type]
                else:
                    optimizer.step()
            except Exception as error:  # a stranger's code may raise anything
                raise ThalwegError(
                    f"optimizer {type(optimizer).__name__} raised "
                    f"{type(error).__name__} in its step: {brief(error)}"
                ) from error
        return calls

    def row_state(self, row: int) -> Any:
        state = self._optimizers[row].state_dict()
        kept = {"state": state["state"], "param_groups": state["param_groups"]}
        return copy.deepcopy(kept)  # the optimizer goes on changing its own

    def load_row_state(self, row: int, state: Any) -> None:
        self._optimizers[row].load_state_dict(copy.deepcopy(state))


def needs_closure(factory: type[torch.optim.Optimizer]) -> bool:
    """Return whether ``step`` has a closure that may not be left out, as L-BFGS's has."""
    closure = inspect.signature(factory.step).parameters.get("closure")
    return closure is not None and closure.default is inspect.Parameter.empty
