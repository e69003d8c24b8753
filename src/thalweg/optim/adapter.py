"""Any ``torch.optim.Optimizer`` on a cohort: one instance a row."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.cohort import Cohort, Oracle, RowOptimizer
from thalweg.errors import InputError, ThalwegError
from thalweg.optim.portable import from_portable, to_portable
from thalweg.optim.second_order.hutchinson import hessian_diagonal
from thalweg.optim.zoo import construct, needs_of
from thalweg.validation import brief


class TorchOptimizer(RowOptimizer):
    """Runs an optimizer class of PyTorch's interface, one instance for each row.

    Each instance holds parameters that are views into its row of W, with ``.grad`` views into its
    row of G, so whatever it does in place happens to the cohort. What it needs beyond gradients is
    read from its signatures, see `thalweg.optim.zoo`.

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
        self._cohort = cohort
        self._needs = needs_of(factory)
        if "closure" in self._needs and cohort.rows != 1:
            raise ValueError("an optimizer that evaluates closures needs a cohort of one row")
        self._optimizers = []
        self._gradients: list[list[tuple[torch.nn.Parameter, Tensor]]] = []
        for row, keywords in enumerate(hyperparameters):
            parameters = [
                torch.nn.Parameter(view) for view in cohort.layout.views(cohort.W[row]).values()
            ]
            gradients = cohort.layout.views(cohort.G[row]).values()
            self._gradients.append(list(zip(parameters, gradients, strict=True)))
            try:
                self._optimizers.append(construct(factory, parameters, keywords))
            except Exception as error:  # a stranger's code may raise anything
                given = ", ".join(f"{key}={value!r}" for key, value in keywords.items())
                raise InputError(
                    f"optimizer: {factory.__name__}({given}) was refused: {brief(error)}"
                ) from error
        self._base_lr = [
            [group["lr"] for group in optimizer.param_groups if "lr" in group]
            for optimizer in self._optimizers
        ]

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        diagonals = self._diagonals(oracle)
        for row, optimizer in enumerate(self._optimizers):
            scale = float(lr_scale[row]) if isinstance(lr_scale, Tensor) else lr_scale
            for group, lr in zip(optimizer.param_groups, self._base_lr[row], strict=False):
                group["lr"] = lr * scale
            self._show_gradients(row)
            try:
                if "closure" in self._needs:
                    optimizer.step(lambda: self._closure(oracle))  # type: ignore[arg-type, return-value]
                elif diagonals is not None:
                    optimizer.step(hessian=diagonals[row])  # type: ignore[call-overload]
                else:
                    optimizer.step()
            except Exception as error:  # a stranger's code may raise anything
                raise ThalwegError(
                    f"optimizer {type(optimizer).__name__} raised "
                    f"{type(error).__name__} in its step: {brief(error)}"
                ) from error

    def evaluated(self) -> Tensor | None:
        if "average" not in self._needs:
            return None
        W = self._cohort.W
        iterate = W.clone()  # switching back would round
        for optimizer in self._optimizers:
            optimizer.eval()  # type: ignore[attr-defined]
        found = W.clone()
        for optimizer in self._optimizers:
            optimizer.train()  # type: ignore[attr-defined]
        W.copy_(iterate)
        return found

    def row_state(self, row: int) -> Any:
        # A copy, since the optimizer goes on changing its own.
        return copy.deepcopy(to_portable(self._optimizers[row].state_dict()))

    def load_row_state(self, row: int, state: Any) -> None:
        self._optimizers[row].load_state_dict(from_portable(copy.deepcopy(state)))

    def renew(self, where: Tensor) -> None:
        for row, optimizer in enumerate(self._optimizers):
            chosen = self._cohort.layout.views(where[row]).values()
            for (parameter, _), part in zip(self._gradients[row], chosen, strict=True):
                for tensor in optimizer.state.get(parameter, {}).values():
                    if isinstance(tensor, Tensor) and tensor.shape == parameter.shape:
                        tensor.masked_fill_(part, 0)

    def _show_gradients(self, row: int) -> None:
        """Let the parameters' ``.grad`` be the row of G again: ``zero_grad`` takes it away."""
        for parameter, gradient in self._gradients[row]:
            parameter.grad = gradient

    @torch.enable_grad()
    def _closure(self, oracle: Oracle) -> Tensor:
        losses = oracle.gradient()
        self._show_gradients(0)
        return losses[0]

    def _diagonals(self, oracle: Oracle) -> list[list[Tensor] | None] | None:
        """Return an estimate of the Hessian's diagonal for each row where one is due, or None."""
        if "products" not in self._needs:
            return None
        counts = [optimizer.param_groups[0].get("step", 0) for optimizer in self._optimizers]
        due = [
            count % getattr(optimizer, "update_period", 1) == 0
            for count, optimizer in zip(counts, self._optimizers, strict=True)
        ]
        if not any(due):
            return [None] * len(due)
        wanted = torch.tensor(due)
        diagonal = hessian_diagonal(self._cohort, oracle, counts[0], wanted)
        views = self._cohort.layout.views(diagonal)
        return [
            [view[row] for view in views.values()] if is_due else None
            for row, is_due in enumerate(due)
        ]
