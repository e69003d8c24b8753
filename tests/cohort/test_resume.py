"""A training that is interrupted, saved and continued equals one that was not, to the bit."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from thalweg.cohort import Listener, Training
from thalweg.cohort.checkpoint import pack, unpack
from thalweg.optim import OPTIMIZERS

EPOCHS, KILLED_AFTER = 5, 2
NAMES = [*OPTIMIZERS.names(), "torch.optim:RMSprop", "torch.optim:Adam"]
OPTIONS = {
    "sgd": [{"lr": 0.1, "momentum": 0.9, "dampening": 0.1}, {"lr": 0.05, "momentum": 0.5}],
    "sgd_eg": [{"lr": 0.3, "momentum": 0.9}, {"lr": 0.1, "momentum": 0.5}],
    "torch.optim:RMSprop": [{"lr": 0.01, "momentum": 0.9, "centered": True}, {"lr": 0.002}],
}


class KilledError(Exception):
    pass


class Kill(Listener):
    def on_epoch(self, training: Training) -> None:
        if training.epoch == KILLED_AFTER:
            raise KilledError


def continued(trial: Any, folder: Path) -> Training:
    """Train for a while, save every row, and go on in a new process's stead."""
    first = trial.build()
    with pytest.raises(KilledError):
        first.run(Kill())
    paths = [folder / f"{row}.safetensors" for row in range(first.cohort.rows)]
    for row, path in enumerate(paths):
        path.write_bytes(pack(first.row_state(row)))
    second = trial.build()
    second.cohort.W.fill_(float("nan"))  # nothing of a fresh start may matter
    second.cohort.G.fill_(float("nan"))
    for row, path in enumerate(paths):
        second.load_row_state(row, unpack(path))
    second.run()
    return second


def without_seconds(training: Training) -> list[Any]:
    metrics = [
        [{key: value for key, value in entry.items() if key != "seconds"} for entry in entries]
        for entries in training.metrics
    ]
    costs = [replace(cost, seconds=0.0) for cost in training.costs]
    return [metrics, costs, training.epoch, training.step, training.diverged_step]


def check(trial: Any, folder: Path) -> Training:
    whole, resumed = trial.run(), continued(trial, folder)
    assert torch.equal(resumed.cohort.W, whole.cohort.W)
    for name, buffer in whole.cohort.buffers.items():
        assert torch.equal(resumed.cohort.buffers[name], buffer)
    assert without_seconds(resumed) == without_seconds(whole)
    for row in range(whole.cohort.rows):
        ours, theirs = (pack(training.row_state(row)["optimizer"]) for training in (resumed, whole))
        assert ours == theirs
    return resumed


@pytest.mark.parametrize(
    ("name", "stacked"), [*product(NAMES, [True]), ("sgd", False), ("adam", False)]
)
def test_every_optimizer(
    name: str,
    stacked: bool,
    trial: Any,
    small_task: Any,
    model: Any,
    random_mask: Any,
    tmp_path: Path,
) -> None:
    task = small_task("digits", torch.float32)
    network = model("mlp", {"widths": [9]}, task)
    options = OPTIONS.get(name, [{"lr": 0.01}, {"lr": 0.003}])
    mask = random_mask(2, 64 * 9 + 9 + 9 * 10 + 10)
    check(
        trial(
            *(task, network, name, options, (0, 1)),
            **{"stacked": stacked, "epochs": EPOCHS, "mask": mask, "clip": [1.0, float("inf")]},
        ),
        tmp_path,
    )


def test_lbfgs(trial: Any, small_task: Any, model: Any, tmp_path: Path) -> None:
    task = small_task("digits")
    options = [{"lr": 0.5, "max_iter": 4, "history_size": 3}]
    network = model("mlp", {"widths": [9]}, task)
    whole = trial(
        *(task, network, "torch.optim:LBFGS", options, (3,)), epochs=EPOCHS, batch_size=None
    )
    training = check(whole, tmp_path)
    losses = [entry["train_loss"] for entry in training.metrics[0][1:]]
    assert losses == sorted(losses, reverse=True)
    assert training.costs[0].gradient_evaluations > 3 * EPOCHS


def test_dropout(trial: Any, small_task: Any, seeded: Any, tmp_path: Path) -> None:
    network = seeded(
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 9), nn.Dropout(0.5), nn.Linear(9, 10))
    )
    options = [{"lr": 0.1, "momentum": 0.9}] * 2
    check(
        trial(
            *(small_task("digits"), network, "sgd", options, (0, 1)),
            **{"stochastic": True, "epochs": EPOCHS},
        ),
        tmp_path,
    )


class Norms(nn.Module):
    """Batch normalisation, a frozen layer, and a buffer that is replaced instead of changed."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Linear(64, 9).requires_grad_(False)
        self.norm = nn.BatchNorm1d(9)
        self.last = nn.Linear(9, 10)
        self.register_buffer("average", torch.zeros(9))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.frozen(x.flatten(1))).relu()
        if self.training:
            self.average = 0.9 * self.average + 0.1 * x.detach().mean(0)
        return self.last(x - self.average)


def test_buffers_and_frozen_parameters(
    trial: Any, small_task: Any, seeded: Callable[..., Any], tmp_path: Path
) -> None:
    options = [{"lr": 0.01}, {"lr": 0.02}]
    training = check(
        trial(*(small_task("digits"), seeded(Norms), "adam", options, (0, 1)), epochs=EPOCHS),
        tmp_path,
    )
    buffers = training.cohort.buffers
    assert buffers["norm.num_batches_tracked"].tolist() == [15, 15]
    assert not torch.equal(buffers["norm.running_mean"][0], buffers["norm.running_mean"][1])
    assert buffers["average"].any()
    for row, seed in enumerate((0, 1)):
        start = seeded(Norms)(seed).frozen.weight
        assert torch.equal(training.cohort.state(row)["frozen.weight"], start.double())


def test_a_diverged_run_stays_frozen(
    trial: Any, small_task: Any, model: Any, tmp_path: Path
) -> None:
    task = small_task("digits")
    options = [{"lr": 0.1}, {"lr": 1e200}]
    network = model("mlp", {"widths": [9]}, task)
    training = check(trial(task, network, "sgd", options, (0, 1), epochs=EPOCHS), tmp_path)
    assert training.diverged_step[0] is None
    assert training.diverged_step[1] is not None


@pytest.mark.parametrize("name", ["adam", "torch.optim:Adam"])
def test_a_state_is_a_copy(name: str, trial: Any, small_task: Any, model: Any) -> None:
    """A state taken at epoch 2 and kept in memory must not follow what happens later."""
    task = small_task("digits")
    whole = trial(task, model("mlp", {"widths": [9]}, task), name, [{"lr": 0.01}], [0], epochs=4)
    kept: list[Any] = []

    class Keep(Listener):
        def on_epoch(self, training: Training) -> None:
            if training.epoch == 2:
                kept.extend([training.row_state(0), pack(training.row_state(0))])

    training = whole.build()
    training.run(Keep())
    state, packed = kept
    assert pack(state) == packed
    for _ in range(2):
        again = whole.build()
        again.load_row_state(0, state)
        again.run()
        assert torch.equal(again.cohort.W, training.cohort.W)
        assert pack(state) == packed
