"""The training loop against the usual script, its bookkeeping, divergence, and its manners."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from thalweg.cohort import Listener, Training
from thalweg.data import Task
from thalweg.randomness import derive

STACKED = pytest.mark.parametrize("stacked", [False, True], ids=["row by row", "stacked"])


def usual_script(
    task: Task, module: nn.Module, seed: int, epochs: int, batch_size: int, clip: float
) -> tuple[list[float], Tensor]:
    """SGD with momentum as anyone would write it: each epoch's mean loss, and the weights."""
    module = module.double()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
    x, y = task.train.batch(slice(None))
    means = []
    for epoch in range(epochs):
        generator = torch.Generator().manual_seed(derive(seed, "order", epoch))
        total = 0.0
        for index in torch.randperm(len(x), generator=generator).split(batch_size):
            optimizer.zero_grad()
            loss = cross_entropy(module(x[index]), y[index])
            loss.backward()
            clip_grad_norm_(module.parameters(), clip)
            optimizer.step()
            scheduler.step()
            total += loss.item() * len(index)
        means.append(total / len(x))
    return means, torch.cat([p.detach().flatten() for p in module.parameters()])


@STACKED
def test_equals_the_usual_script(stacked: bool, trial: Any, small_task: Any, model: Any) -> None:
    task = small_task("digits")
    network = model("mlp", {"widths": [9]}, task)
    options = [{"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}] * 2
    training = trial(
        *(task, network, "sgd", options, (5, 2)), stacked=stacked, epochs=3, clip=[1.0, 1.0]
    ).run()
    for k, seed in enumerate((5, 2)):
        means, weights = usual_script(task, network(seed), seed, 3, 16, 1.0)
        torch.testing.assert_close(training.cohort.W[k], weights, rtol=1e-9, atol=1e-12)
        found = [entry["train_loss"] for entry in training.metrics[k][1:]]
        assert found == pytest.approx(means, rel=1e-12)


def test_what_is_recorded(trial: Any, small_task: Any, model: Any) -> None:
    task = small_task("digits")
    network = model("mlp", {"widths": [9]}, task)
    options = [{"lr": 0.1}, {"lr": 0.2}]
    training = trial(*(task, network, "sgd", options, (0, 1)), epochs=5, evaluate_every=2).run()
    assert training.finished
    assert (training.epoch, training.step, training.steps_per_epoch) == (5, 15, 3)
    for row, metrics in enumerate(training.metrics):
        assert [entry["epoch"] for entry in metrics] == [0, 2, 4, 5]
        assert [entry["step"] for entry in metrics] == [0, 6, 12, 15]
        assert metrics[0]["train_loss"] is None
        last_steps = [0, 5, 11, 14]
        rates = [options[row]["lr"] * 0.95**step for step in last_steps]
        assert [entry["lr"] for entry in metrics] == pytest.approx(rates, rel=1e-12)
        final = training.evaluate("test")
        assert metrics[-1]["test_loss"] == final.loss[row].item()
        assert metrics[-1]["test_accuracy"] == final.accuracy[row].item()
        assert "validation_loss" not in metrics[0]
        cost = training.costs[row]
        assert (cost.examples, cost.gradient_evaluations, cost.flops) == (200, 15, 2000.0)
        assert cost.seconds > 0


def test_an_optimizer_that_is_given_no_learning_rate_records_none(
    trial: Any, small_task: Any, model: Any
) -> None:
    task = small_task("digits")
    network = model("mlp", {"widths": [3]}, task)
    training = trial(task, network, "torch.optim:Adam", [{}], [0]).run()
    assert [entry["lr"] for entry in training.metrics[0]] == [None] * 4


class Counting(Listener):
    def __init__(self) -> None:
        self.starts = self.steps = self.epochs = 0

    def on_start(self, training: Training) -> None:
        self.starts += 1

    def on_step(self, training: Training) -> None:
        self.steps += 1
        assert training.step == self.steps

    def on_epoch(self, training: Training) -> None:
        self.epochs += 1
        assert training.epoch == self.epochs


def test_listeners_hear_every_step_and_epoch(trial: Any, small_task: Any, model: Any) -> None:
    task = small_task("digits")
    training = trial(task, model("mlp", {"widths": [3]}, task), "sgd", [{"lr": 0.1}], [0]).build()
    first, second = Counting(), Counting()
    training.run(first, second)
    assert (first.starts, first.steps, first.epochs) == (1, 9, 3)
    assert vars(second) == vars(first)


@STACKED
def test_a_diverged_run_is_frozen_and_touches_no_other(
    stacked: bool, trial: Any, small_task: Any, model: Any
) -> None:
    task = small_task("digits")
    network = model("mlp", {"widths": [9]}, task)
    options = [{"lr": 0.05}, {"lr": 1e200}, {"lr": 0.1}]
    with_it = trial(*(task, network, "sgd", options, (0, 1, 2)), stacked=stacked)
    without = trial(*(task, network, "sgd", options[::2], (0, 2)), stacked=stacked)

    class Watch(Listener):
        """Notes the weights that each step starts from."""

        def __init__(self) -> None:
            self.weights: list[Tensor] = []

        def on_step(self, training: Training) -> None:
            self.weights.append(training.cohort.W[1].clone())

    watch = Watch()
    training = with_it.build()
    training.run(watch)
    others = without.run()
    # Step 0 throws the weights away; the loss of step 1 or 2 is not finite.
    step = training.diverged_step[1]
    assert step in (1, 2)
    assert training.diverged_step[::2] == [None, None]
    before = watch.weights[step - 1]
    for later in watch.weights[step:]:
        torch.testing.assert_close(later, before, rtol=0, atol=0, equal_nan=True)
    assert [entry["epoch"] for entry in training.metrics[1]] == [0]
    assert training.costs[1].gradient_evaluations == step
    torch.testing.assert_close(training.cohort.W[::2], others.cohort.W, rtol=1e-12, atol=0)
    for row, other in ((0, 0), (2, 1)):
        assert training.costs[row].examples == others.costs[other].examples
        for ours, theirs in zip(training.metrics[row], others.metrics[other], strict=True):
            assert ours.keys() == theirs.keys()
            for key in ours.keys() - {"seconds"}:
                wanted = theirs[key]
                assert ours[key] == (wanted and pytest.approx(wanted, rel=1e-12))


@STACKED
def test_training_ends_when_every_run_has_diverged(
    stacked: bool, trial: Any, small_task: Any, model: Any
) -> None:
    task = small_task("digits")
    network = model("mlp", {"widths": [9]}, task)
    options = [{"lr": 1e200}, {"lr": 1e250}]
    training = trial(*(task, network, "sgd", options, (0, 1)), stacked=stacked, epochs=50).run()
    assert training.finished
    assert training.epoch == 1
    assert training.step <= 3
    assert None not in training.diverged_step
    assert [len(metrics) for metrics in training.metrics] == [1, 1]


def test_a_run_whose_held_out_loss_overflows_is_frozen(
    trial: Any, small_task: Any, model: Any
) -> None:
    task = small_task("sine")
    network = model("mlp", {"widths": [4]}, task)
    one_step = trial(
        *(task, network, "sgd", [{"lr": 0.1}, {"lr": 1e180}], (0, 1)), epochs=2, batch_size=None
    )
    training = one_step.run()
    assert training.diverged_step == [None, 1]
    assert [len(metrics) for metrics in training.metrics] == [3, 1]


def test_no_optimizer_or_network_moves_the_global_generator(
    trial: Any, small_task: Any, seeded: Any
) -> None:
    task = small_task("digits")

    def dropout() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, 10))

    torch.manual_seed(17)
    before = torch.get_rng_state()
    training = trial(
        *(task, seeded(dropout), "sgd", [{"lr": 0.1}] * 2, (0, 1)), stochastic=True
    ).run()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(100)
    again = trial(*(task, seeded(dropout), "sgd", [{"lr": 0.1}] * 2, (0, 1)), stochastic=True).run()
    assert torch.equal(again.cohort.W, training.cohort.W)
    torch.set_rng_state(before)


def test_dropout_draws_from_the_run_and_step_alone(
    trial: Any, small_task: Any, seeded: Any
) -> None:
    task = small_task("digits")
    network = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 10)))
    together = trial(task, network, "sgd", [{"lr": 0.1}] * 3, (4, 0, 2), stochastic=True)
    training = together.run()
    for k in range(3):
        alone = together.member(k).run()
        torch.testing.assert_close(training.cohort.W[k : k + 1], alone.cohort.W)
    plain = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Identity(), nn.Linear(64, 10)))
    without = trial(task, plain, "sgd", [{"lr": 0.1}], (4,)).run()
    assert not torch.allclose(training.cohort.W[0], without.cohort.W[0])


def test_seconds_are_shared_between_the_rows(trial: Any, small_task: Any, model: Any) -> None:
    task = small_task("digits")
    network = model("mlp", {"widths": [3]}, task)
    training = trial(task, network, "sgd", [{"lr": 0.1}] * 4, range(4), stacked=True).run()
    seconds = {cost.seconds for cost in training.costs}
    assert len(seconds) == 1
    assert math.isfinite(seconds.pop())
