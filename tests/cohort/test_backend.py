"""Losses, gradients and evaluations against plain autograd, a network at a time."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from thalweg.cohort import AutogradBackend, Batch, Cohort
from thalweg.cohort import backend as backends
from thalweg.data import Split, Task

MODELS = {
    "mlp": ("digits", {"widths": [9, 7]}),
    "lenet5": ("images", {}),
    "rnn": ("rows", {"hidden": 6, "layers": 2}),
    "regression": ("sine", {"widths": [8], "activation": "tanh"}),
}
SEEDS = (4, 1, 9)
LOSSES = {"cross_entropy": cross_entropy, "mse": mse_loss}


def networks(model: Any, small_task: Any, name: str) -> tuple[Task, list[nn.Module]]:
    task_name, options = MODELS[name]
    task = small_task(task_name)
    build = model("mlp" if name == "regression" else name, options, task)
    return task, [build(seed).double() for seed in SEEDS]


def cohort_of(modules: list[nn.Module]) -> Cohort:
    return Cohort(modules, SEEDS, torch.device("cpu"), torch.float64)


def plain(module: nn.Module, loss_name: str, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    module.zero_grad()
    loss = LOSSES[loss_name](module(x), y)
    loss.backward()
    return loss.detach(), torch.cat([p.grad.flatten() for p in module.parameters()])


@pytest.mark.parametrize("shared", [False, True], ids=["own batches", "one batch"])
@pytest.mark.parametrize("stacked", [False, True], ids=["row by row", "stacked"])
@pytest.mark.parametrize("name", MODELS)
def test_losses_and_gradients(
    name: str, stacked: bool, shared: bool, small_task: Any, model: Any
) -> None:
    task, modules = networks(model, small_task, name)
    cohort = cohort_of(modules)
    cohort.G.fill_(float("nan"))  # every entry is written
    index = torch.tensor([3, 0, 7, 7, 11])
    if not shared:
        index = torch.stack([index, index + 1, index + 5])
    backend = AutogradBackend(task.loss, stacked)
    losses = backend.gradient(cohort, Batch(task.train, index, step=0))
    assert losses.shape == (3,)
    for k, module in enumerate(modules):
        x, y = task.train.batch(index if shared else index[k])
        loss, gradient = plain(module, task.loss, x, y)
        torch.testing.assert_close(losses[k], loss, rtol=1e-12, atol=0)
        torch.testing.assert_close(cohort.G[k], gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("chunk", [4, 9, 100], ids=["ragged", "even or one", "one"])
@pytest.mark.parametrize("stacked", [False, True], ids=["row by row", "stacked"])
@pytest.mark.parametrize("name", MODELS)
def test_evaluation(
    name: str,
    stacked: bool,
    chunk: int,
    small_task: Any,
    model: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backends, "EVALUATION_EXAMPLES", chunk)
    task, modules = networks(model, small_task, name)
    found = AutogradBackend(task.loss, stacked).evaluate(cohort_of(modules), task.test)
    x, y = task.test.batch(slice(None))
    for k, module in enumerate(modules):
        outputs = module(x).detach()
        torch.testing.assert_close(found.loss[k], LOSSES[task.loss](outputs, y), rtol=1e-12, atol=0)
        if task.loss == "mse":
            assert found.accuracy is None
            assert found.confusion is None
            continue
        predicted = outputs.argmax(1)
        counts = torch.zeros(10, 10, dtype=torch.int64)
        for true, guess in zip(y.tolist(), predicted.tolist(), strict=True):
            counts[true, guess] += 1
        assert torch.equal(found.confusion[k], counts)
        assert found.accuracy[k].item() == (predicted == y).double().mean().item()


def test_evaluation_is_in_evaluation_mode_and_leaves_the_network_training() -> None:
    module = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    module = module.double()
    module[1].running_mean.fill_(0.25)
    cohort = Cohort([module], [0], torch.device("cpu"), torch.float64)
    inputs = torch.randn(6, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    split = Split(inputs, torch.tensor([0, 1, 0, 1, 1, 0]), dtype=torch.float64)
    backend = AutogradBackend("cross_entropy", stacked=False, stochastic=True)
    found = backend.evaluate(cohort, split)
    wanted = cross_entropy(module.eval()(inputs), split.targets)
    torch.testing.assert_close(found.loss[0], wanted.detach(), rtol=1e-12, atol=0)
    assert torch.equal(cohort.buffers["1.running_mean"][0], torch.full((4,), 0.25).double())
    backend.gradient(cohort, Batch(split, torch.arange(6), step=0))
    assert not torch.equal(cohort.buffers["1.running_mean"][0], torch.full((4,), 0.25).double())


class DrawsAlways(nn.Module):
    """Forgets to switch its dropout off in evaluation, as `functional.dropout` invites to."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(nn.functional.dropout(x, 0.5))


def test_a_network_that_draws_in_evaluation_draws_from_its_own_stream() -> None:
    cohort = Cohort([DrawsAlways(), DrawsAlways()], [0, 1])
    split = Split(torch.ones(50, 4), torch.arange(50) % 2)
    backend = AutogradBackend("cross_entropy", stacked=False, stochastic=True)
    before = torch.get_rng_state()
    first = backend.evaluate(cohort, split)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert torch.equal(backend.evaluate(cohort, split).loss, first.loss)


class WorksInPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x.sub_(0.5))


def test_a_network_that_works_in_place_does_not_change_the_data() -> None:
    cohort = Cohort([WorksInPlace()], [0])
    split = Split(torch.ones(6, 4), torch.arange(6) % 2)
    backend = AutogradBackend("cross_entropy", stacked=False)
    first = backend.evaluate(cohort, split)
    backend.gradient(cohort, Batch(split, torch.arange(3), step=0))
    assert torch.equal(split.inputs, torch.ones(6, 4))
    assert torch.equal(backend.evaluate(cohort, split).loss, first.loss)


def test_the_state_of_a_row_loads_into_the_module(small_task: Any, model: Any) -> None:
    _, modules = networks(model, small_task, "lenet5")
    cohort = cohort_of(modules)
    for k, module in enumerate(modules):
        state = cohort.state(k)
        assert list(state) == list(module.state_dict())
        assert all(torch.equal(state[name], value) for name, value in module.state_dict().items())
    other = cohort_of(list(reversed(modules)))
    for k in range(3):
        other.load_state(k, cohort.state(k))
    assert torch.equal(other.W, cohort.W)


def test_a_stochastic_network_cannot_be_stacked() -> None:
    with pytest.raises(ValueError, match="cannot be stacked"):
        AutogradBackend("mse", stacked=True, stochastic=True)
