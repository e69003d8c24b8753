"""The threshold of stability of PyTorch's optimizers, by the rules that are the same updates."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from thalweg.cohort import Oracle, RowOptimizer
from thalweg.cohort.optimizer import Stability
from thalweg.instruments.network import WatchedNetwork
from thalweg.optim.adaptive.adagrad import Adagrad
from thalweg.optim.adaptive.adam import Adam, AdamW
from thalweg.optim.adaptive.rmsprop import RMSprop
from thalweg.optim.plain.sgd import SGD
from thalweg.optim.rule import Rule

STATES = {
    "exp_avg_sq": "v",
    "max_exp_avg_sq": "v_max",
    "square_avg": "v",
    "grad_avg": "mean",
    "sum": "sum",
}
"""PyTorch's names of what the rules divide a step by, and theirs."""

Group = Mapping[str, Any]


@dataclass(frozen=True)
class _Known:
    """A rule, and how its hyperparameters are read off a group of PyTorch's optimizer."""

    rule: Rule
    read: Callable[[Group], dict[str, Any]]
    stateless: bool = False


def _same(*names: str) -> Callable[[Group], dict[str, Any]]:
    return lambda group: {name: group[name] for name in names}


def _betas(group: Group) -> dict[str, Any]:
    beta1, beta2 = group["betas"]
    return {"beta1": float(beta1), "beta2": float(beta2), "eps": group["eps"]}


KNOWN: dict[type[Optimizer], _Known] = {
    torch.optim.SGD: _Known(SGD(), _same("momentum", "dampening", "nesterov"), stateless=True),
    torch.optim.Adam: _Known(Adam(), _betas),
    torch.optim.AdamW: _Known(AdamW(), _betas),
    torch.optim.Adagrad: _Known(Adagrad(), _same("lr_decay", "eps")),
    torch.optim.RMSprop: _Known(RMSprop(), _same("eps", "momentum", "centered")),
}
"""Optimizers by their very class: what a subclass changes is not known."""


class ElsewhereStepped(RowOptimizer):
    """The optimizer of someone's loop, of which only the stability is asked.

    Args:
        optimizer: The optimizer.
        network: What it moves.
    """

    def __init__(self, optimizer: Optimizer, network: WatchedNetwork) -> None:
        self._optimizer = optimizer
        self._network = network

    def step(self, lr_scale: float | Tensor, oracle: Oracle) -> None:
        raise NotImplementedError("steps are taken in the loop that is watched")

    def row_state(self, row: int) -> Any:
        raise NotImplementedError("the loop that is watched keeps its own state")

    def load_row_state(self, row: int, state: Any) -> None:
        raise NotImplementedError("the loop that is watched keeps its own state")

    def stability(self) -> Stability | None:
        """Return the threshold of the last step; None for an optimizer that is not known.

        Groups may differ in their learning rates: a parameter whose threshold T is r times that of
        the first counts with r·P, since P⁻¹·H < T for it is (r·P)⁻¹·H < T/r. Parameters that do not
        move (learning rate 0, no gradient so far) count with an infinite P: not at all.
        """
        known = KNOWN.get(type(self._optimizer))
        if known is None or any(group.get("maximize") for group in self._optimizer.param_groups):
            return None
        found = {
            name: (threshold, diagonal, lr)
            for group in self._optimizer.param_groups
            for lr in [float(group["lr"])]
            for name, (threshold, diagonal) in self._of_group(known, group, lr)
        }
        if not found:
            return None
        first, _, rate = next(iter(found.values()))
        if not all(math.isclose(t * lr, first * rate) for t, _, lr in found.values()):
            return None  # momenta differ, and there is no one threshold
        threshold = self._network.cohort.W.new_full((1,), first)
        names = [name for name, _ in self._network.items()]
        if all(name in found and found[name][1:] == (None, rate) for name in names):
            return Stability(threshold)
        diagonals: dict[str, Tensor | float] = dict.fromkeys(names, math.inf)
        for name, (own, diagonal, _) in found.items():
            diagonals[name] = (1.0 if diagonal is None else diagonal) * (own / first)
        return Stability(threshold, self._network.stacked(diagonals))

    def _of_group(
        self, known: _Known, group: Group, lr: float
    ) -> Iterator[tuple[str, tuple[float, Tensor | None]]]:
        """Yield threshold and preconditioner of each parameter of a group that moves."""
        if lr == 0:
            return
        h = SimpleNamespace(lr=lr, **known.read(group))
        names = {id(p): name for name, p in self._network.items()}
        for p in group["params"]:
            state = self._optimizer.state.get(p, {})
            if id(p) in names and (state or known.stateless):
                own = {STATES[key]: each for key, each in state.items() if key in STATES}
                found = known.rule.stability(own, h, float(state.get("step", 1)))
                assert found is not None
                yield names[id(p)], (float(found[0]), found[1])
