"""Optimizers written out plainly, one parameter at a time in NumPy, and cohorts to hold to them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tests.optim.oracles import CallableOracle, silent
from tests.optim.test_rules import STEPS, Net
from torch import Tensor

from thalweg.cohort import Cohort
from thalweg.optim.registry import bind_optimizer

Array = NDArray[np.float64]
Update = Callable[[Array, Array, float, int], Array]
"""(weights, gradient, learning rate, step from 1) → new weights of one parameter."""
Schedule = Callable[[int], float]


def decaying(step: int) -> float:
    """The factor on the learning rate at a step, from 0."""
    return 1.1 * 0.97**step


def constant(step: int) -> float:
    return 1.0


def gradients(net: Net, step: int) -> list[Array]:
    net.zero_grad()
    net.loss(step).backward()
    return [p.grad.numpy().copy() for p in net.parameters() if p.grad is not None]


def trained_plainly(
    make: Callable[[], Update], lr: float, seed: int, schedule: Schedule = decaying
) -> Tensor:
    """Train `Net` with an update for each of its parameters."""
    net = Net(seed)
    updates = [make() for _ in net.parameters()]
    for step in range(STEPS):
        found = gradients(net, step)
        with torch.no_grad():
            for update, p, g in zip(updates, net.parameters(), found, strict=True):
                new = update(p.numpy().copy(), g, lr * schedule(step), step + 1)
                p.copy_(torch.from_numpy(new))
    return net.row()


def trained_by_torch(
    factory: Callable[..., torch.optim.Optimizer],
    words: dict[str, Any],
    seed: int,
    schedule: Schedule = decaying,
) -> Tensor:
    """Train `Net` with an optimizer of PyTorch, its numbers kept in double precision too."""
    torch.set_default_dtype(torch.float64)
    try:
        net = Net(seed)
        optimizer = factory(net.parameters(), **words)
        lr = optimizer.param_groups[0]["lr"]
        for step in range(STEPS):
            optimizer.param_groups[0]["lr"] = lr * schedule(step)
            gradients(net, step)
            optimizer.step()
        return net.row()
    finally:
        torch.set_default_dtype(torch.float32)


def trained_as_rows(
    name: str, options: Sequence[dict[str, Any]], schedule: Schedule = decaying
) -> Tensor:
    """Train row k, from seed k, with the k-th options; return the weights ``(K, D)``."""
    nets = [Net(seed) for seed in range(len(options))]
    cohort = Cohort(nets, range(len(nets)), dtype=torch.float64)
    optimizer = bind_optimizer(name, cohort, options)
    for step in range(STEPS):
        for k, net in enumerate(nets):
            with torch.no_grad():
                for p, view in zip(
                    net.parameters(), cohort.layout.views(cohort.W[k]).values(), strict=True
                ):
                    p.copy_(view)
            found = gradients(net, step)
            cohort.G[k] = torch.from_numpy(np.concatenate([g.ravel() for g in found]))
        optimizer.step(schedule(step), silent(cohort))
    return cohort.W


def agree(found: Tensor, wanted: Tensor) -> None:
    """Check that weights are the same, and that they are not where they began."""
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-13)
    assert torch.isfinite(wanted).all()


class LeastSquares:
    """½·mean((X·w − y)²) of one linear neuron, with y = X·w* for a w* of mixed signs.

    The start is half of w*, disturbed, with its signs: within reach of rules that keep them.
    """

    def __init__(self, rows: int) -> None:
        generator = torch.Generator().manual_seed(5)
        X = torch.randn(40, 6, generator=generator, dtype=torch.float64)
        self.X = X * torch.linspace(1, 0.5, 6)
        self.solution = torch.tensor([1.0, -2.0, 0.5, 1.5, -1.0, 0.7], dtype=torch.float64)
        self.y = self.X @ self.solution
        neuron = torch.nn.Linear(6, 1, bias=False, dtype=torch.float64)
        start = self.solution * torch.tensor([0.4, 0.5, 0.6, 0.5, 0.7, 0.3])
        with torch.no_grad():
            neuron.weight.copy_(start)
        self.cohort = Cohort([neuron] * rows, range(rows), dtype=torch.float64)

    def gradient(self) -> Tensor:
        residual = self.cohort.W @ self.X.T - self.y
        self.cohort.G.copy_(residual @ self.X / len(self.y))
        return residual.square().mean(1) / 2

    def distance(
        self, name: str, options: Sequence[dict[str, Any]], steps: int, schedule: Schedule
    ) -> Tensor:
        """Return max |w − w*| of each run after some steps with the whole gradient."""
        oracle = CallableOracle(self.cohort, self.gradient)
        optimizer = bind_optimizer(name, self.cohort, options)
        for step in range(steps):
            oracle.gradient()
            optimizer.step(schedule(step), oracle)
        return (self.cohort.W - self.solution).abs().amax(1)
