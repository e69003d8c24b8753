"""Figures of runs, look by look."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

LOOKS = 256
"""Looks after which figures are taken together, so that few small tensors are alive."""

Row = dict[str, Any]


class Series:
    """The figures of K runs by step.

    Args:
        rows: K.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._looks: list[tuple[int, Mapping[str, Tensor]]] = []
        # By name: steps (T,) and values (T, K) or (T, K, n), stretch after stretch.
        self._steps: dict[str, list[Tensor]] = {}
        self._values: dict[str, list[Tensor]] = {}

    def add(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Add a look.

        Args:
            step: Before which it was taken.
            values: Figures by name, ``(K,)`` or ``(K, n)``.
        """
        self._looks.append((step, values))
        if len(self._looks) >= LOOKS:
            self._gather()

    def rows(self, row: int, totals: Mapping[str, float], last: int | None = None) -> list[Row]:
        """Return one run's figures, a row each of step, figure, index and value.

        Args:
            row: Of the run.
            totals: Figures of the whole training, whose step is None.
            last: Step after which the run stood still; None for none.
        """
        found: list[Row] = [
            {"step": None, "figure": name, "index": None, "value": value}
            for name, value in totals.items()
        ]
        for name, (steps, values) in self._own(row).items():
            for step, value in zip(steps.tolist(), values.tolist(), strict=True):
                if last is not None and step > last:
                    break
                entries = enumerate(value) if isinstance(value, list) else [(None, value)]
                found += [
                    {"step": step, "figure": name, "index": index, "value": each}
                    for index, each in entries
                ]
        return found

    def row_state(self, row: int) -> dict[str, Any]:
        """Return one run's figures as a tree of tensors."""
        return {
            name: {"steps": steps, "values": values}
            for name, (steps, values) in self._own(row).items()
        }

    def load_row_state(self, row: int, state: Mapping[str, Any]) -> None:
        """Take up what `row_state` returned; all runs come from the same step."""
        for name, own in state.items():
            steps, values = own["steps"], own["values"]
            if name not in self._values:
                shape = (len(steps), self._rows, *values.shape[1:])
                self._steps[name] = [steps]
                self._values[name] = [torch.full(shape, torch.nan, dtype=torch.float64)]
            self._values[name][0][:, row] = values

    def _own(self, row: int) -> dict[str, tuple[Tensor, Tensor]]:
        self._gather()
        return {
            name: (torch.cat(self._steps[name]), torch.cat(parts)[:, row].clone())
            for name, parts in self._values.items()
        }

    def _gather(self) -> None:
        by_name: dict[str, list[tuple[int, Tensor]]] = {}
        for step, values in self._looks:
            for name, value in values.items():
                by_name.setdefault(name, []).append((step, value))
        self._looks = []
        for name, looks in by_name.items():
            self._steps.setdefault(name, []).append(torch.tensor([step for step, _ in looks]))
            stacked = torch.stack([value for _, value in looks]).double().cpu()
            self._values.setdefault(name, []).append(stacked)
