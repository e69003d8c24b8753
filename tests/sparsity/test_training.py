"""Sparsities in training: exact counts after every step, whatever the optimizer."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from thalweg.cohort import Listener, Training
from thalweg.cohort.planner import Plan
from thalweg.execute import Resources
from thalweg.execute.prepare import prepare
from thalweg.spec import RunSpec

WEIGHTS = 64 * 12 + 12 * 10
OPTIMIZERS = [
    {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    {"name": "adamw", "lr": 0.01, "weight_decay": 0.1},
    {"name": "torch.optim:RMSprop", "lr": 0.01},
]


def training(
    sparsity: list[dict[str, Any] | None], optimizer: dict[str, Any], epochs: int = 3
) -> Training:
    specs = [
        RunSpec.parse(
            {
                "task": "digits",
                "model": {"name": "mlp", "widths": [12]},
                "optimizer": optimizer,
                "train": {"epochs": epochs, "batch_size": 256},
                "sparsity": each,
                "seed": seed,
            }
        )
        for seed, each in enumerate(sparsity)
    ]
    return prepare(specs, Plan("autograd", len(specs), ""), Resources("cpu", 1, 1))[0]


class Watch(Listener):
    def __init__(self, look: Callable[[Training], Any]) -> None:
        self._look = look
        self.seen: list[Any] = []

    def on_step(self, training: Training) -> None:
        self.seen.append(self._look(training))

    def on_epoch(self, training: Training) -> None:
        self.seen.append(self._look(training))


def chosen(training: Training) -> Tensor:
    """Return the weights of both layers, without biases, ``(K, n)``."""
    views = training.cohort.layout.views(training.cohort.W)
    return torch.cat([v.flatten(1) for name, v in views.items() if name.endswith("weight")], 1)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: str(o["name"]))
def test_projection_holds_after_every_step(optimizer: dict[str, Any]) -> None:
    """Each row its own number; weights that were 0 come back."""
    table = {"name": "projection"}
    found = training([{**table, "keep": 0.6}, {**table, "keep": 0.1}], optimizer)
    start = chosen(found).clone()
    watch = Watch(lambda t: (chosen(t) != 0).sum(1).tolist())
    found.run(watch)
    assert set(map(tuple, watch.seen)) == {(int(0.6 * WEIGHTS), int(0.1 * WEIGHTS))}
    first = start[0].abs() >= start[0].abs().sort(descending=True).values[int(0.6 * WEIGHTS) - 1]
    assert ((chosen(found)[0] != 0) & ~first).any()
    assert (found.cohort.layout.views(found.cohort.W)[found.cohort.layout.names[1]] != 0).any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: str(o["name"]))
def test_pruning_is_of_the_largest_and_holds(optimizer: dict[str, Any]) -> None:
    table = {"name": "one_shot", "after_epoch": 1, "parameters": ["*.weight"]}
    found = training([{**table, "keep": 0.6}, {**table, "keep": 0.1}], optimizer)
    twin = training([None, None], optimizer, epochs=1)
    assert not torch.equal(chosen(twin)[0], chosen(twin)[1])
    twin.run()
    watch = Watch(lambda t: chosen(t).clone())
    found.run(watch)
    steps = found.steps_per_epoch
    before, pruned, last = watch.seen[steps - 2], watch.seen[steps - 1], watch.seen[-1]
    for k, count in enumerate((int(0.6 * WEIGHTS), int(0.1 * WEIGHTS))):
        dense = chosen(twin)[k]
        kept = dense.abs().argsort(descending=True)[:count]
        assert (before[k] != 0).all() and (dense != 0).all()
        assert torch.equal(pruned[k].nonzero().flatten(), kept.sort().values)
        assert torch.equal(pruned[k][kept], dense[kept])
        for weights in watch.seen[steps:]:
            assert torch.equal(weights[k] != 0, pruned[k] != 0)
        assert (last[k][kept] != pruned[k][kept]).any()  # the ticket was trained


def test_a_resumed_run_keeps_its_mask() -> None:
    table = [{"name": "one_shot", "after_epoch": 1, "keep": 0.2}]
    whole = training(table, OPTIMIZERS[0], epochs=4)
    states: list[Any] = []
    whole.run(Watch(lambda t: states.append(t.row_state(0))))
    steps = whole.steps_per_epoch
    again = training(table, OPTIMIZERS[0], epochs=4)
    again.load_row_state(0, states[2 * (steps + 1) - 1])
    assert again.epoch == 2
    again.run()
    assert torch.equal(again.cohort.W, whole.cohort.W)
