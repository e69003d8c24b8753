"""The figures of a loop of one's own are those of the same training by Thalweg."""

import math
from typing import Any

import polars as pl
import pytest
import torch
from tests.measure.dynamics.watched import Watching, small_digits, training_of, watch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from thalweg.cohort import Training
from thalweg.instruments import Instruments
from thalweg.measure.dynamics.instruments import PRESETS


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            *(nn.Flatten(), nn.Linear(64, 12), nn.Tanh()),
            # No weight of which only rounding makes a gradient, which Adam would blow up.
            *(nn.Linear(12, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10)),
        ).double()


def loop(
    training: Training, seen: Watching, module: nn.Module, optimizer: Any, **options: Any
) -> Instruments:
    """Take the steps of a training again, with PyTorch's own loop and optimizer."""
    task = training.task
    dtype = next(module.parameters()).dtype
    data = task.to(torch.device("cpu"), dtype)
    whole, test = (split.batch(slice(0, len(split))) for split in (data.train, data.test))
    with Instruments(
        *(module, optimizer, "full"),
        **{"when": "every:1", "loss": cross_entropy, "train": whole, "validation": test, **options},
    ) as watching:
        for step in range(len(seen.index)):
            x, y = data.train.batch(seen.examples(step, 0))
            optimizer.zero_grad()
            loss = cross_entropy(module(x), y)
            loss.backward()
            watching.batch(x, y, loss)
            optimizer.step()
    return watching


def by_figure(frame: pl.DataFrame) -> dict[tuple[int, str, int | None], float]:
    return {
        (step, figure, index): value
        for step, figure, index, value in frame.iter_rows()
        if step is not None
    }


def expected(looks: list[dict[str, Tensor]]) -> dict[tuple[int, str, int | None], float]:
    found = {}
    for step, look in enumerate(looks):
        for name, value in look.items():
            entries = enumerate(value[0].tolist()) if value.ndim > 1 else [(None, value[0].item())]
            found.update({(step, name, index): each for index, each in entries})
    return found


@pytest.mark.parametrize(
    ("name", "options", "kind", "own"),
    [
        ("sgd", {"lr": 0.1, "momentum": 0.9}, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
        (
            *("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True}, torch.optim.SGD),
            {"lr": 0.1, "momentum": 0.9, "nesterov": True},
        ),
        ("adam", {"lr": 0.01}, torch.optim.Adam, {"lr": 0.01}),
        ("adamw", {"lr": 0.01}, torch.optim.AdamW, {"lr": 0.01}),
        ("adagrad", {"lr": 0.05}, torch.optim.Adagrad, {"lr": 0.05}),
        (
            *("rmsprop", {"lr": 0.01, "centered": True, "momentum": 0.5}, torch.optim.RMSprop),
            {"lr": 0.01, "centered": True, "momentum": 0.5},
        ),
    ],
)
def test_every_figure_is_that_of_the_probe(
    name: str, options: dict[str, Any], kind: Any, own: dict[str, Any]
) -> None:
    training = training_of(network, name, [options], small_digits(72))
    seen = watch(training, preset="full", examples=40)
    module = network(0)
    # Four steps, of which the last has a smaller batch.
    watching = loop(training, seen, module, kind(module.parameters(), **own), examples=40)
    found, told = by_figure(watching.frame()), expected(seen.looks)
    assert found.keys() == told.keys()
    assert {figure for _, figure, _ in found} >= {"edge", "alpha", "noise", "class_accuracy"}
    for key, value in told.items():
        # Lanczos stops at 1 %; before it the same numbers are summed in another order.
        close = 1e-6 if key[1] in ("lambda_max", "edge") else 1e-9
        assert found[key] == pytest.approx(value, rel=close, abs=1e-12, nan_ok=True), key
    assert not any(math.isnan(found[step, "edge", None]) for step in range(4))
    assert watching.gradients == pytest.approx(seen.watcher.gradients)
    torch.testing.assert_close(
        nn.utils.parameters_to_vector(module.parameters()), training.cohort.W[0], rtol=1e-9, atol=0
    )


def test_in_single_precision_to_rounding() -> None:
    def single(seed: int) -> nn.Module:
        return network(seed).float()

    training = training_of(single, "adam", [{"lr": 0.01}], dtype=torch.float32)
    seen = watch(training, preset="standard")
    module = single(0)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    watching = loop(training, seen, module, optimizer, instruments=PRESETS["standard"].instruments)
    found, told = by_figure(watching.frame()), expected(seen.looks)
    assert found.keys() == told.keys()
    for key, value in told.items():
        # Of a weight that hardly any example moves the ratio is one of roundings.
        close = 2e-2 if key[1] == "gsnr" else 2e-3
        assert found[key] == pytest.approx(value, rel=close, abs=1e-5, nan_ok=True), key


def test_parts_of_one_example_have_no_noise_where_there_are_batch_statistics() -> None:
    training = training_of(network, "sgd", [{"lr": 0.1}], small_digits(26))
    seen = watch(training, preset="standard")
    module = network(0)
    watching = loop(
        training, seen, module, torch.optim.SGD(module.parameters(), lr=0.1), instruments=["noise"]
    )
    found = by_figure(watching.frame())
    assert math.isfinite(found[0, "noise", None])
    assert math.isnan(found[1, "noise", None])  # six examples in four parts
    assert seen.looks[1]["noise"].isnan().all()
