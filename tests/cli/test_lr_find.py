import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from thalweg.cohort.order import epoch_order
from thalweg.execute import Resources
from thalweg.execute.models import build_spec_model, load_named_task
from thalweg.execute.ramp import ramp_losses
from thalweg.spec import RunSpec
from thalweg.study.ranges import parse_range

FIND = ("lr-find", "mlp", "digits", "--set", "model.widths=[8]", "--seeds", 2)


def specs(optimizer: str, **options: float) -> list[RunSpec]:
    return [
        RunSpec.parse(
            {
                "task": "digits",
                "model": {"name": "mlp", "widths": [8]},
                "optimizer": {"name": optimizer, "lr": 0.5, **options},
                "train": {"epochs": 1, "batch_size": 500},
                "seed": seed,
            }
        )
        for seed in range(2)
    ]


def test_the_ramp_is_that_of_a_plain_loop() -> None:
    scales = [0.1 * 1.5**t for t in range(7)]  # three epochs of 500, 500 and 150 examples
    runs = specs("sgd", momentum=0.9)
    found = ramp_losses(runs, scales, Resources.choose("cpu", 1))
    task = load_named_task(runs[0].task, None)
    for spec, row in zip(runs, found, strict=True):
        model = build_spec_model(spec, task)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
        expected = []
        for step, scale in enumerate(scales):
            order = epoch_order([spec.seed], step // 3, len(task.train))
            x, y = task.train.batch(order[500 * (step % 3) : 500 * (step % 3 + 1)])
            loss = torch.nn.functional.cross_entropy(model(x), y)
            expected.append(loss.item())
            optimizer.param_groups[0]["lr"] = 0.5 * scale
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert row == pytest.approx(expected, rel=1e-4)


def test_a_ramp_ends_where_nothing_is_finite() -> None:
    found = ramp_losses(specs("sgd"), [1e38] * 40, Resources.choose("cpu", 1))
    assert len(found[0]) < 40


def test_a_guess_and_the_sweep_to_run_next(thalweg: Callable[..., Any]) -> None:
    done = thalweg(*FIND, "--lr", "1e-4..100:80", "--json")
    assert done.status == 0, done
    found = json.loads(done.stdout)
    assert 1e-3 < found["guess"] < 10
    command = found["next"].split()
    assert command[:4] == ["thalweg", "sweep", "mlp", "digits"]
    grid = parse_range(command[-1], "--lr")
    assert grid.low < found["guess"] < grid.high
    words = thalweg(*FIND, "--lr", "1e-4..100:80").stdout.splitlines()
    assert words[0].startswith("A guess, not a result: the loss falls steepest at learning rate")
    assert words[1] == "Next: " + found["next"]


def test_no_guess_from_rates_too_small(thalweg: Callable[..., Any]) -> None:
    done = thalweg(*FIND, "--lr", "1e-30..1e-20:5", "--batch-size", "full")
    assert (done.status, done.stdout[:8]) == (0, "No guess")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--lr 1..0.1:5", "--lr '1..0.1:5': must be LOW..HIGH:POINTS"),
        ("--lr 1e-6..1:log", "--lr '1e-6..1:log': must be LOW..HIGH:STEPS"),
        ("--optimizer sdg", "did you mean 'sgd'?"),
        ("--set train.clip_norm=1", "must set a key of task, model, optimizer"),
        ("--set optimizer.momentum=[0.0,0.9]", "must be given one value"),
    ],
)
def test_wrong_input_gets_one_sentence(
    thalweg: Callable[..., Any], options: str, message: str
) -> None:
    done = thalweg("lr-find", "mlp", "digits", *options.split())
    assert (done.status, done.stdout) == (2, "")
    assert message in done.stderr and done.stderr.count("\n") == 1
