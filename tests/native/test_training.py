"""Trainings by the compiled kernels: as good as autograd's, resumed, masked, diverging."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from thalweg.cohort import AutogradBackend, Cohort, Listener, Settings, Training
from thalweg.cohort.checkpoint import pack, unpack
from thalweg.cohort.compiled import NativeBackend
from thalweg.cohort.layout import Layout
from thalweg.data import Split, Task
from thalweg.models import build_model
from thalweg.native import recognize
from thalweg.optim.registry import bind_optimizer

CPU = torch.device("cpu")
EPOCHS, KILLED_AFTER = 4, 2
NAMES = tuple("0123456789")


def build(
    task: Task,
    model: str,
    options: dict[str, Any],
    optimizer: str,
    hyperparameters: Sequence[dict[str, Any]],
    backend: str = "native",
    epochs: int = EPOCHS,
    mask: Tensor | None = None,
    seeds: Sequence[int] | None = None,
) -> Training:
    seeds = range(len(hyperparameters)) if seeds is None else seeds
    modules = [build_model(model, options, task.shape, 10, seed, None) for seed in seeds]
    cohort = Cohort(modules, seeds, CPU, task.train.dtype)
    if mask is not None:
        cohort.set_mask(mask)
    settings = Settings(
        epochs=epochs,
        batch_size=64,
        shared_order=False,
        evaluate_every=epochs,
        clip_norm=None,
        lr=[table.get("lr") for table in hyperparameters],
        lr_scale=lambda step: 0.999**step,
        flops_per_example=10.0,
    )
    chain = recognize(modules[0], task.shape, Layout.of(modules[0]).slices)
    computed: Any = (
        NativeBackend(task.loss, chain)
        if backend == "native"
        else AutogradBackend(task.loss, False)
    )
    rule = bind_optimizer(optimizer, cohort, hyperparameters)
    return Training(cohort, task, computed, rule, settings)


@pytest.fixture
def task(classes: Any) -> Task:
    """Random images of 14×14; few enough to be learned by heart."""
    generator = torch.Generator().manual_seed(7)

    def split(count: int) -> Split:
        images = torch.randint(0, 256, (count, 1, 14, 14), generator=generator)
        return Split(images.to(torch.uint8), classes(count, 10, count), mean=0.5, std=0.3)

    return Task("images", "cross_entropy", 10, NAMES, split(150), None, split(40))


MLP = ("mlp", {"widths": [20], "activation": "tanh"})
MLP_PARAMETERS = 196 * 20 + 20 + 20 * 10 + 10


@pytest.mark.parametrize("name", [pytest.param("mnist", marks=pytest.mark.slow), "fashion-mnist"])
def test_accuracy_is_autograds(name: str, real_data: Any, kernels: None) -> None:
    """LeNet-5, 3 epochs on 3,000 images, 10 seeds: the mean of the paired differences in test
    accuracy is zero within its 95 % interval, or below half a point.
    """
    arrays = real_data(name)

    def split(part: str, count: int) -> Split:
        images = torch.tensor(arrays[f"{part}_images"][:count]).unsqueeze(1)
        labels = torch.tensor(arrays[f"{part}_labels"][:count]).long()
        return Split(images, labels, mean=0.2, std=0.33)

    real = Task(name, "cross_entropy", 10, NAMES, split("train", 3000), None, split("test", 2000))
    found = {}
    for backend in ("native", "autograd"):
        settings = [{"lr": 0.05, "momentum": 0.9}] * 10
        training = build(real, "lenet5", {}, "sgd", settings, backend, epochs=3)
        training.run()
        found[backend] = torch.tensor([rows[-1]["test_accuracy"] for rows in training.metrics])
    assert found["native"].mean() > (0.85 if name == "mnist" else 0.65)
    difference = found["native"] - found["autograd"]
    half = stats.t.ppf(0.975, 9) * difference.std().item() / math.sqrt(10)
    mean = abs(difference.mean().item())
    assert mean <= half or mean < 0.005


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_are_autograds(optimizer: str, task: Task, kernels: None, close: Any) -> None:
    """In double precision the two backends stay together."""
    double = task.to(CPU, torch.float64)
    tables = [{"lr": 0.01}, {"lr": 0.003}]
    ours, theirs = (
        build(double, *MLP, optimizer, tables, backend) for backend in ("native", "autograd")
    )
    for training in (ours, theirs):
        training.run()
    assert close(ours.cohort.W, theirs.cohort.W, 1e-9)
    for our_row, their_row in zip(ours.metrics, theirs.metrics, strict=True):
        assert our_row[-1]["test_loss"] == pytest.approx(their_row[-1]["test_loss"], 1e-9)
        assert our_row[-1]["train_loss"] == pytest.approx(their_row[-1]["train_loss"], 1e-9)


class KilledError(Exception):
    pass


class Kill(Listener):
    def on_epoch(self, training: Training) -> None:
        if training.epoch == KILLED_AFTER:
            raise KilledError


@pytest.mark.parametrize("threads", [1, 3])
def test_a_killed_training_goes_on_to_the_same_bits(
    threads: int, task: Task, tmp_path: Path, kernels: None
) -> None:
    """Each row from its own checkpoint, in another company and on another number of threads."""
    mask = torch.rand(3, MLP_PARAMETERS) < 0.5
    tables = [{"lr": lr, "momentum": 0.9} for lr in (0.1, 0.03, 1e30)]
    whole = build(task, *MLP, "sgd", tables, mask=mask)
    whole.run()
    killed = build(task, *MLP, "sgd", tables, mask=mask)
    with pytest.raises(KilledError):
        killed.run(Kill())
    states = []
    for row in range(3):
        path = tmp_path / f"{row}.safetensors"
        path.write_bytes(pack(killed.row_state(row)))
        states.append(unpack(path))
        assert pack(states[row]) == pack(killed.row_state(row))
    torch.set_num_threads(threads)  # put back by a fixture
    order = [2, 0, 1]
    resumed = build(task, *MLP, "sgd", [tables[k] for k in order], mask=mask[order], seeds=order)
    resumed.cohort.W.fill_(float("nan"))
    for row, k in enumerate(order):
        resumed.load_row_state(row, states[k])
    resumed.run()
    assert torch.equal(resumed.cohort.W, whole.cohort.W[order])
    for row, k in enumerate(order):
        ours, theirs = resumed.row_state(row), whole.row_state(k)
        assert pack(ours["optimizer"]) == pack(theirs["optimizer"])
        assert ours["diverged_step"] == theirs["diverged_step"]
        assert [e.get("test_loss") for e in ours["metrics"]] == [
            e.get("test_loss") for e in theirs["metrics"]
        ]


def test_company_changes_no_bit(task: Task, kernels: None) -> None:
    tables = [{"lr": 0.01}] * 3  # one number for all: a column would round otherwise
    together = build(task, *MLP, "adam", tables)
    together.run()
    for k in range(3):
        alone = build(task, *MLP, "adam", [tables[k]], seeds=[k])
        alone.run()
        assert torch.equal(alone.cohort.W[0], together.cohort.W[k])


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_masks_are_held(optimizer: str, task: Task, kernels: None) -> None:
    mask = torch.rand(2, MLP_PARAMETERS) < 0.3
    training = build(task, *MLP, optimizer, [{"lr": 0.01}] * 2, mask=mask)
    start = training.cohort.W.clone()
    training.run()
    assert not training.cohort.W[~mask].any()
    assert not training.cohort.G[~mask].any()
    moved = start != training.cohort.W
    assert moved[mask].float().mean() > 0.8


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("model", [MLP, ("mlp", {"widths": [9]}), ("rnn", {"hidden": 5})], ids=str)
def test_a_row_that_is_not_finite_diverges(
    model: tuple[str, dict[str, Any]], value: float, task: Task, kernels: None
) -> None:
    """It is frozen where it stands; the other rows train as if it were not there."""
    tables = [{"lr": 0.05}] * 2
    clean, spoilt = (build(task, *model, "sgd", tables) for _ in range(2))
    spoilt.cohort.W[1] = value
    before = spoilt.cohort.W[1].clone()
    clean.run()
    spoilt.run()
    assert spoilt.diverged_step == [None, 0]
    assert torch.equal(spoilt.cohort.W[1].nan_to_num(), before.nan_to_num())
    assert torch.equal(spoilt.cohort.W[0], clean.cohort.W[0])


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_inputs_that_are_not_finite_diverge(value: float, task: Task, kernels: None) -> None:
    x = torch.randn(150, 1, 14, 14)
    x[77] = value
    spoilt = Task(
        "spoilt", "cross_entropy", 10, NAMES, Split(x, task.train.targets), None, task.test
    )
    training = build(spoilt, "mlp", {"widths": [9]}, "sgd", [{"lr": 0.05}])
    training.run()
    assert training.diverged_step[0] is not None
    assert training.diverged_step[0] <= training.steps_per_epoch


def test_a_step_too_large_diverges(task: Task, kernels: None) -> None:
    training = build(task, *MLP, "sgd", [{"lr": 0.05}, {"lr": 1e38}])
    training.run()
    assert training.diverged_step[0] is None
    assert training.diverged_step[1] is not None
    assert training.cohort.W[0].isfinite().all()
