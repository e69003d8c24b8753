"""A run's spec: its canonical form and its identity."""

import json
import sys
from copy import deepcopy
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.errors import InputError
from thalweg.spec import Named, RunSpec, TrainOptions

MINIMAL: dict[str, Any] = {
    "task": "digits",
    "model": "mlp",
    "optimizer": {"name": "sgd", "lr": 0.1},
    "train": {"epochs": 2},
}
FULL: dict[str, Any] = {
    "task": {"name": "sine", "points": 50, "noise": 0.25},
    "model": {
        "name": "mlp",
        "widths": [8, 4],
        "activation": "tanh",
        "init": {"name": "lognormal", "bias": "zero"},
    },
    "optimizer": {"name": "sgd_eg", "lr": 0.5, "momentum": 0.9},
    "train": {
        "epochs": 7,
        "batch_size": "full",
        "clip_norm": 1.0,
        "order": "shared",
        "evaluate_every": 3,
        "schedule": {"name": "step", "every_epochs": 2, "gamma": 0.5},
    },
    "seed": 11,
}


def test_a_sine_without_a_grid_keeps_its_identity() -> None:
    sine = {**MINIMAL, "task": "sine"}
    wanted = {"name": "sine", "points": 100, "noise": 0.4, "validation": 0}
    assert RunSpec.parse(sine).canonical()["task"] == wanted
    gridded = {**MINIMAL, "task": {"name": "sine", "grid": 50}}
    assert RunSpec.parse(gridded).canonical()["task"]["grid"] == 50


def test_the_canonical_form_writes_every_default_out() -> None:
    assert RunSpec.parse(MINIMAL).canonical() == {
        "format": 1,
        "task": {"name": "digits", "size": 8, "validation": 287},
        "model": {"name": "mlp", "widths": [256, 128], "activation": "relu"},
        "optimizer": {
            "name": "sgd",
            "lr": 0.1,
            "momentum": 0.0,
            "dampening": 0.0,
            "nesterov": False,
            "weight_decay": 0.0,
        },
        "train": {
            "epochs": 2,
            "batch_size": 64,
            "order": "seed",
            "evaluate_every": 1,
            "schedule": {"name": "constant", "warmup_epochs": 0.0},
        },
        "seed": 0,
    }


def test_the_canonical_form_of_a_full_spec() -> None:
    canonical = RunSpec.parse(FULL).canonical()
    assert canonical["model"] == {
        "name": "mlp",
        "widths": [8, 4],
        "activation": "tanh",
        "init": {
            "name": "lognormal",
            "bias": "zero",
            "mean_std_ratio": 1.5,
            "nonlinearity": "relu",
        },
    }
    assert canonical["train"] == {
        "epochs": 7,
        "batch_size": "full",
        "clip_norm": 1.0,
        "order": "shared",
        "evaluate_every": 3,
        "schedule": {"name": "step", "warmup_epochs": 0.0, "every_epochs": 2, "gamma": 0.5},
    }


@pytest.mark.parametrize(
    ("table", "pinned"),
    [(MINIMAL, "7d814f487ea63763"), (FULL, "6bdb9f5b7a8a1eaa")],
    ids=["minimal", "full"],
)
def test_identities_are_pinned(table: dict[str, Any], pinned: str) -> None:
    """A change here gives every run on anyone's disk a new identity: is that intended?

    If so, raise `thalweg.spec.run.FORMAT` and pin anew.
    """
    assert RunSpec.parse(table).id == pinned


def reordered(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: reordered(node[key]) for key in reversed(list(node))}
    return node


@pytest.mark.parametrize("table", [MINIMAL, FULL], ids=["minimal", "full"])
def test_the_order_of_keys_does_not_matter(table: dict[str, Any]) -> None:
    assert RunSpec.parse(reordered(table)).id == RunSpec.parse(table).id


@pytest.mark.parametrize(
    ("path", "spellings"),
    [
        (("optimizer", "lr"), (1, 1.0)),
        (("optimizer", "momentum"), (0, 0.0)),
        (("train", "clip_norm"), (2, 2.0)),
        (("train", "schedule"), ("cosine", {"name": "cosine"}, {"name": "cosine", "final": 0})),
        (("task",), ("digits", {"name": "digits"}, {"name": "digits", "size": 8})),
        (("model", "init"), ("default", {"name": "default"})),
        (("model", "init"), ("orthogonal", {"name": "orthogonal", "gain": 1})),
    ],
)
def test_spellings_of_one_thing_have_one_identity(path: tuple[str, ...], spellings: Any) -> None:
    found = set()
    for value in spellings:
        table = deepcopy(MINIMAL)
        table["model"] = {"name": "mlp"}
        node = table
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = value
        found.add(RunSpec.parse(table).id)
    assert len(found) == 1


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("task", {"name": "digits", "validation": 100}),
        ("task", "sine"),
        ("model", {"name": "mlp", "widths": [128, 256]}),
        ("model", {"name": "mlp", "init": "orthogonal"}),
        ("optimizer", {"name": "sgd", "lr": 0.1 + 1e-16}),
        ("optimizer", {"name": "sgd_eg", "lr": 0.1}),
        ("train", {"epochs": 3}),
        ("train", {"epochs": 2, "clip_norm": 1.0}),
        ("train", {"epochs": 2, "order": "shared"}),
        ("train", {"epochs": 2, "batch_size": "full"}),
        ("train", {"epochs": 2, "schedule": "cosine"}),
        ("train", {"epochs": 2, "evaluate_every": 2}),
        ("seed", 1),
    ],
)
def test_whatever_changes_a_run_changes_its_identity(section: str, value: Any) -> None:
    changed = RunSpec.parse({**MINIMAL, section: value})
    assert changed.id != RunSpec.parse(MINIMAL).id


def positive(largest: float = 10.0) -> st.SearchStrategy[Any]:
    """Positive numbers, whole ones as integers too: a study may say ``lr = 1``."""
    return st.one_of(st.integers(1, 9), st.floats(1e-9, largest))


def table(name: str, **options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"name": st.just(name)}, optional=options)


TASKS = st.one_of(
    st.sampled_from(["digits", "sine", "mnist", "fashion-mnist"]),
    table("digits", size=st.integers(8, 64), validation=st.integers(0, 1000)),
    table("sine", points=st.integers(5, 200), noise=positive()),
)
INITS = st.one_of(
    st.sampled_from(["default", "orthogonal", "kaiming_normal"]),
    table("xavier_uniform", gain=positive(), bias=st.sampled_from(["zero", "keep"])),
    table("lognormal", mean_std_ratio=positive(), nonlinearity=st.sampled_from(["tanh", "relu"])),
)
MODELS = st.one_of(
    st.sampled_from(["mlp", "lenet5", "rnn"]),
    table("mlp", widths=st.lists(st.integers(1, 300), min_size=1, max_size=3), init=INITS),
    table("rnn", hidden=st.integers(1, 300), nonlinearity=st.sampled_from(["tanh", "relu"])),
)
OPTIMIZERS = st.one_of(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["sgd", "sgd_eg"]), "lr": positive()},
        optional={"momentum": positive(1.0), "weight_decay": st.floats(0, 1)},
    ),
    st.sampled_from(["adam", "adamw"]),
    table("adamw", lr=positive(), beta1=st.floats(0, 0.99), eps=st.floats(0, 1)),
    table("torch.optim:Adam", lr=positive(), amsgrad=st.booleans()),
)
SCHEDULES = st.one_of(
    st.sampled_from(["constant", "cosine", "one_cycle"]),
    st.fixed_dictionaries(
        {"name": st.just("step"), "every_epochs": st.integers(1, 9)},
        optional={"gamma": st.floats(0.01, 1), "warmup_epochs": positive()},
    ),
)
TRAIN = st.fixed_dictionaries(
    {"epochs": st.integers(1, 100)},
    optional={
        "batch_size": st.one_of(st.just("full"), st.integers(1, 512)),
        "clip_norm": positive(),
        "label_smoothing": st.floats(0.01, 0.5),
        "order": st.sampled_from(["seed", "shared"]),
        "evaluate_every": st.integers(1, 9),
        "schedule": SCHEDULES,
    },
)
SPECS = st.fixed_dictionaries(
    {"task": TASKS, "model": MODELS, "optimizer": OPTIMIZERS, "train": TRAIN},
    optional={"seed": st.integers(0, 2**31 - 1)},
)


@settings(deadline=None, max_examples=150)
@given(SPECS)
def test_parsing_the_canonical_form_is_the_identity(table: dict[str, Any]) -> None:
    before = deepcopy(table)
    spec = RunSpec.parse(table)
    assert table == before
    text = json.dumps(spec.canonical(), allow_nan=False)
    again = RunSpec.parse(json.loads(text))
    assert again == spec
    assert again.id == spec.id
    assert again.canonical() == spec.canonical()
    assert json.dumps(again.canonical()) == text
    assert len(spec.id) == 16
    assert RunSpec.parse(reordered(table)).id == spec.id
    assert hash(again.task) == hash(spec.task)


def test_a_spec_is_frozen() -> None:
    spec = RunSpec.parse(MINIMAL)
    with pytest.raises(FrozenInstanceError):
        spec.seed = 3
    with pytest.raises(ValueError, match="frozen"):
        spec.train.epochs = 3


def test_train_options_have_the_defaults_of_the_guide() -> None:
    options = TrainOptions(epochs=1)
    assert (options.batch_size, options.clip_norm) == (64, None)
    assert (options.order, options.evaluate_every) == ("seed", 1)


def test_a_named_choice_is_hashed_by_its_content() -> None:
    first = Named("mlp", {"widths": [3], "activation": "relu"})
    second = Named("mlp", {"activation": "relu", "widths": [3]})
    assert first == second
    assert hash(first) == hash(second)
    assert first != Named("mlp", {"widths": [3], "activation": "relu"}, code="abc")


USERS = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        return self.layer(x.flatten(1))


class Slow(torch.optim.SGD):
    pass
"""


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "users_own.py"
    path.write_text(USERS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "users_own", raising=False)
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"name": "users_own:Net", "width": 5}},
        {"optimizer": {"name": "users_own:Slow", "lr": 0.1}},
    ],
    ids=["model", "optimizer"],
)
def test_editing_a_users_source_changes_the_identity(change: dict[str, Any], users: Path) -> None:
    table = {**MINIMAL, **change}
    first = RunSpec.parse(table)
    (section,) = change
    code = first.canonical()[section]["code"]
    assert len(code) == 16
    assert RunSpec.parse(table).id == first.id
    assert RunSpec.parse(first.canonical()).id == first.id
    users.write_text(USERS + "# a comment\n")
    second = RunSpec.parse(table)
    assert second.id != first.id
    assert second.canonical()[section]["code"] != code
    assert RunSpec.parse(first.canonical()).id == second.id  # a spec is what would run now
    users.write_text(USERS)
    assert RunSpec.parse(table).id == first.id


def test_an_identity_does_not_depend_on_where_the_source_lies(
    users: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {**MINIMAL, "model": "users_own:Net"}
    first = RunSpec.parse(table).id
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    users.replace(elsewhere / "users_own.py")
    monkeypatch.delitem(sys.modules, "users_own")
    monkeypatch.syspath_prepend(elsewhere)
    assert RunSpec.parse(table).id == first


@pytest.mark.parametrize("section", ["task", "model", "optimizer", "train"])
def test_a_missing_section_is_named(section: str) -> None:
    table = {key: value for key, value in MINIMAL.items() if key != section}
    with pytest.raises(InputError, match=rf"^\[{section}\] is missing$"):
        RunSpec.parse(table)


@pytest.mark.parametrize("seed", [-1, 2**31, 1.0, "1", True])
def test_a_wrong_seed_is_refused(seed: Any) -> None:
    with pytest.raises(InputError) as caught:
        RunSpec.parse({**MINIMAL, "seed": seed})
    assert str(caught.value) == f"seed = {seed!r}: must be a whole number from 0 to 2147483647"
