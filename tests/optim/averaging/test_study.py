"""Averages in a study: identity, grouping, judgement, checkpoints, the list of what there is."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from thalweg.cli import app
from thalweg.cohort import Listener, Training
from thalweg.cohort.checkpoint import pack, unpack
from thalweg.errors import InputError
from thalweg.execute import Resources, plan_cohorts
from thalweg.execute.grouping import cohort_key
from thalweg.execute.prepare import prepare
from thalweg.spec import RunSpec

AVERAGES: list[dict[str, Any]] = [
    {"name": "polyak"},
    {"name": "swa", "after_epoch": 1},
    {"name": "ema", "decay": 0.8},
    {"name": "lookahead", "every": 4},
]
NAMES = [average["name"] for average in AVERAGES]


def spec(average: Any = None, seed: int = 0, optimizer: Any = None) -> RunSpec:
    train = {"epochs": 4, "batch_size": 20} | ({} if average is None else {"average": average})
    return RunSpec.parse(
        {
            "task": {"name": "sine", "points": 60},
            "model": {"name": "mlp", "widths": [5]},
            "optimizer": optimizer or {"name": "sgd", "lr": 0.05, "momentum": 0.5},
            "train": train,
            "seed": seed,
        }
    )


def training_of(*specs: RunSpec) -> Training:
    resources = Resources("cpu", 1, 1)
    (cohort,) = plan_cohorts(specs, None, resources)
    assert len(cohort.specs) == len(specs)
    return prepare(specs, cohort.plan, resources)[0]


class Watch(Listener):
    """Keeps the iterates, and the weights at which the runs are judged."""

    def __init__(self) -> None:
        self.iterates: list[Tensor] = []
        self.judged: list[Tensor] = []

    def on_step(self, training: Training) -> None:
        self.iterates.append(training.cohort.W.clone())
        with training.judged():
            self.judged.append(training.cohort.W.clone())
        assert torch.equal(training.cohort.W, self.iterates[-1])


def test_a_spec_without_an_average_is_as_before() -> None:
    assert "average" not in json.dumps(spec().canonical())
    assert RunSpec.parse(spec().canonical()) == spec()


def test_a_spec_with_an_average() -> None:
    assert spec("ema").canonical()["train"]["average"] == {"name": "ema", "decay": 0.999}
    assert spec("ema").id == spec({"name": "ema", "decay": 0.999}).id
    assert RunSpec.parse(spec("ema").canonical()) == spec("ema")
    ids = {spec(average).id for average in (None, "ema", {"name": "ema", "decay": 0.9}, "swa")}
    assert len(ids) == 4


def test_decays_may_differ_within_a_cohort() -> None:
    ema = cohort_key(spec("ema"))
    assert cohort_key(spec({"name": "ema", "decay": 0.5}, seed=3)) == ema
    assert cohort_key(spec()) != ema
    assert cohort_key(spec("polyak")) != ema
    assert cohort_key(spec("lookahead")) != cohort_key(spec({"name": "lookahead", "every": 2}))


@pytest.mark.parametrize(
    ("average", "optimizer", "sentence"),
    [
        ("emma", None, "unknown average 'emma'; did you mean 'ema'?"),
        ({"name": "ema", "decay": 1.0}, None, "train.average.decay = 1.0: must be less than 1"),
        ({"name": "lookahead", "alpha": 0.0}, None, "train.average.alpha = 0.0: must be greater"),
        ({"name": "lookahead", "every": 0}, None, "train.average.every = 0: must be at least 1"),
        ({"name": "swa", "after_epoch": -1}, None, "train.average.after_epoch = -1: must be at"),
        ({"name": "polyak", "decay": 0.9}, None, "train.average: unknown key 'decay'"),
        (
            "ema",
            {"name": "schedule_free_sgd", "lr": 0.1},
            "train.average = 'ema': must be left out for optimizer 'schedule_free_sgd', which is "
            "judged at an average of its own",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_name(average: Any, optimizer: Any, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        spec(average, optimizer=optimizer)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize("average", AVERAGES[:3], ids=NAMES[:3])
def test_trained_at_the_iterate_and_judged_at_the_average(average: dict[str, Any]) -> None:
    plain, watch, own = training_of(spec()), Watch(), Watch()
    plain.run(watch)
    training = training_of(spec(average))
    training.run(own)
    assert all(map(torch.equal, own.iterates, watch.iterates))
    assert not torch.equal(own.judged[-1], own.iterates[-1])
    judged = own.judged[-1]
    plain.cohort.W.copy_(judged)
    wanted = plain.evaluate("test").loss.item()
    assert training.metrics[0][-1]["test_loss"] == wanted
    assert training.evaluate("test").loss.item() == wanted


def test_an_averaging_optimizer_is_judged_at_its_average() -> None:
    watch = Watch()
    training_of(spec(optimizer={"name": "schedule_free_adamw"})).run(watch)
    assert not torch.equal(watch.judged[-1], watch.iterates[-1])


class Keep(Listener):
    def __init__(self) -> None:
        self.states: list[bytes] = []

    def on_epoch(self, training: Training) -> None:
        if training.epoch == 2:
            self.states = [pack(training.row_state(row)) for row in range(training.cohort.rows)]


@pytest.mark.parametrize("average", AVERAGES, ids=NAMES)
def test_resumed_to_the_bit(average: dict[str, Any], tmp_path: Path) -> None:
    other = average | ({"decay": 0.6} if average["name"] == "ema" else {})
    specs = [spec(average), spec(other, seed=1)]
    whole, keep = training_of(*specs), Keep()
    whole.run(keep)
    resumed = training_of(*specs)
    resumed.cohort.W.fill_(float("nan"))
    for row, state in enumerate(keep.states):
        checkpoint = tmp_path / f"{row}.safetensors"
        checkpoint.write_bytes(state)
        resumed.load_row_state(row, unpack(checkpoint))
    resumed.run()
    for row in range(2):
        ours, theirs = (pack(t.row_state(row)["optimizer"]) for t in (resumed, whole))
        assert ours == theirs
    assert torch.equal(resumed.cohort.W, whole.cohort.W)
    assert torch.equal(resumed.evaluate("test").loss, whole.evaluate("test").loss)


def test_a_diverged_run_is_judged_where_it_was_frozen() -> None:
    lively = {"name": "sgd", "lr": 1e30, "momentum": 0.5}
    training = training_of(spec("ema"), spec("ema", seed=1, optimizer=lively))
    training.run()
    assert training.diverged_step[0] is None
    assert training.diverged_step[1] is not None
    assert torch.isfinite(training.evaluate("test").loss[0])


def test_the_averages_are_listed() -> None:
    result = CliRunner().invoke(app, ["list", "averages", "--json"])
    rows = json.loads(result.output)
    assert [row["name"] for row in rows] == NAMES
    assert rows[2]["options"] == {"decay": 0.999}
