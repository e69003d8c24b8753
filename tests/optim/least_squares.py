"""Least squares on a cohort: the real oracle, and closed forms to hold against it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.cohort import AutogradBackend, Cohort, Oracle, RowOptimizer
from thalweg.data import Split
from thalweg.optim.registry import bind_optimizer

EXAMPLES, FEATURES = 24, 5
Vector = np.ndarray


def line() -> nn.Module:
    return nn.Linear(FEATURES, 1, bias=False)


class LeastSquares:
    """f(w) = mean of (x·w − y)² over a batch; row k of the cohort starts at its own weights.

    Args:
        rows: K.
        batch: Examples a step, taken in order; they divide the examples.
        noise: Standard deviation of what no line fits.
        module: Another network than a line.
        dtype: Of the weights.
    """

    def __init__(
        self,
        rows: int,
        batch: int = EXAMPLES,
        noise: float = 0.3,
        module: Callable[[], nn.Module] = line,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        generator = torch.Generator().manual_seed(5)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        x, best = normal(EXAMPLES, FEATURES), normal(FEATURES, 1)
        y = x @ best + noise * normal(EXAMPLES, 1)
        self.x: Vector = x.numpy()
        self.y: Vector = y[:, 0].numpy()
        self.best: Vector = best[:, 0].numpy()
        self.batch = batch
        modules = [module() for _ in range(rows)]
        self.cohort = Cohort(modules, range(rows), dtype=dtype)
        self.cohort.W.copy_(normal(*self.cohort.W.shape))
        backend = AutogradBackend("mse", stacked=False)
        self.oracle = Oracle(self.cohort, backend, Split(x, y, dtype=dtype), EXAMPLES)

    def index(self, step: int) -> Tensor:
        start = step * self.batch % EXAMPLES
        return torch.arange(start, start + self.batch)

    def loss(self, w: Vector, step: int) -> float:
        rows = self.index(step).numpy()
        return float(np.mean((self.x[rows] @ w - self.y[rows]) ** 2))

    def gradient(self, w: Vector, step: int) -> Vector:
        rows = self.index(step).numpy()
        return np.asarray(2 * self.x[rows].T @ (self.x[rows] @ w - self.y[rows]) / self.batch)

    def hessian(self, step: int) -> np.ndarray:
        rows = self.index(step).numpy()
        return np.asarray(2 * self.x[rows].T @ self.x[rows] / self.batch)

    def optimum(self) -> Vector:
        return np.asarray(np.linalg.lstsq(self.x, self.y, rcond=None)[0])

    def starts(self) -> list[Vector]:
        return [row.numpy().copy() for row in self.cohort.W]

    def bind(self, name: str, options: Sequence[dict[str, Any]]) -> RowOptimizer:
        return bind_optimizer(name, self.cohort, options)

    def train(
        self,
        name: str,
        options: Sequence[dict[str, Any]],
        steps: int,
        schedule: Callable[[int], float | Tensor] = lambda step: 1.0,
    ) -> list[Tensor]:
        """Return the weights ``(K, D)`` after each step, the start first."""
        optimizer = self.bind(name, options)
        path = [self.cohort.W.clone()]
        for step in range(steps):
            self.oracle.draw(self.index(step), step)
            optimizer.step(schedule(step), self.oracle)
            self.cohort.hold_mask()
            path.append(self.cohort.W.clone())
        return path
