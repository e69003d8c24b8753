"""Which examples a run sees, and when."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from thalweg.cohort import AutogradBackend, Batch, Cohort
from thalweg.cohort.order import epoch_order
from thalweg.randomness import derive


class Noting(AutogradBackend):
    """Notes every batch's index."""

    def __init__(self) -> None:
        super().__init__("cross_entropy", stacked=False)
        self.seen: list[Tensor] = []

    def gradient(self, cohort: Cohort, batch: Batch) -> Tensor:
        self.seen.append(batch.index.clone())
        return super().gradient(cohort, batch)


def seen(trial: Any) -> list[Tensor]:
    training = trial.build()
    training._backend = training.oracle._backend = Noting()
    training.run()
    return training._backend.seen


@pytest.fixture
def three(trial: Any, small_task: Any, model: Any) -> Any:
    task = small_task("digits")
    network = model("mlp", {"widths": [3]}, task)
    return trial(task, network, "sgd", [{"lr": 0.1}] * 3, (6, 0, 6), epochs=2)


def test_permutations() -> None:
    order = epoch_order([5, 0, 9], 3, 100)
    assert order.shape == (3, 100)
    assert order.dtype == torch.int64
    assert torch.equal(order.sort(dim=1).values, torch.arange(100).expand(3, 100))
    assert len({tuple(row.tolist()) for row in order}) == 3
    assert not torch.equal(order, epoch_order([5, 0, 9], 4, 100))
    generator = torch.Generator().manual_seed(derive(5, "order", 3))
    assert torch.equal(order[0], torch.randperm(100, generator=generator))


def test_a_run_sees_the_same_whatever_its_company() -> None:
    alone = epoch_order([5], 3, 100)
    assert alone.shape == (100,)
    assert torch.equal(epoch_order([5, 5], 3, 100), alone)
    for company in ([5, 1], [5, 2, 5], [5, 0, 1, 2]):
        assert torch.equal(epoch_order(company, 3, 100)[0], alone)


def test_each_epoch_sees_each_example_once(three: Any) -> None:
    batches = seen(three)
    assert [tuple(index.shape) for index in batches] == [(3, 16), (3, 16), (3, 8)] * 2
    first, second = (torch.cat(batches[i : i + 3], dim=1) for i in (0, 3))
    for epoch in (first, second):
        assert torch.equal(epoch.sort(dim=1).values, torch.arange(40).expand(3, 40))
        assert torch.equal(epoch[0], epoch[2])
        assert not torch.equal(epoch[0], epoch[1])
    assert not torch.equal(first, second)


def test_a_shared_order_is_that_of_seed_zero(three: Any) -> None:
    batches = seen(replace(three, shared_order=True))
    assert all(index.ndim == 1 for index in batches)
    assert torch.equal(torch.cat(batches[:3]), epoch_order([0], 0, 40))
    assert torch.equal(torch.cat(batches[3:]), epoch_order([0], 1, 40))


@pytest.mark.parametrize("batch_size", [None, 40, 41])
def test_the_whole_split_has_no_order(three: Any, batch_size: int | None) -> None:
    batches = seen(replace(three, batch_size=batch_size))
    assert len(batches) == 2
    assert all(torch.equal(index, torch.arange(40)) for index in batches)
