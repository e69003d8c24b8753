"""Wrong options are refused in one sentence."""

from typing import Any

import pytest
from tests.sparsity.methods.trials import METHODS

from thalweg.errors import InputError
from thalweg.sparsity import SPARSITIES, structure
from thalweg.sparsity.methods import METHODS as CLASSES
from thalweg.spec import RunSpec

WRONG: list[tuple[str, dict[str, Any], str]] = [
    *(
        (name, {"keep": 0}, "keep = 0: must be greater than 0")
        for name in METHODS
        if "l1" not in name
    ),
    ("ste", {"keep": 1.2}, "keep = 1.2: must be at most 1"),
    ("ste", {}, "keep: is missing and has no default"),
    ("gradual", {"keep": 0.1, "every": 0}, "every = 0: must be at least 1"),
    (
        "gradual",
        {"keep": 0.1, "start_epoch": 2, "end_epoch": 1.5},
        "end_epoch = 1.5: must be greater than start_epoch = 2",
    ),
    ("dpf", {"keep": 0.1, "start_epoch": -1}, "start_epoch = -1: must be at least 0"),
    ("rigl", {"keep": 0.1, "every": 1.5}, "every = 1.5: must be a whole number"),
    ("rigl", {"keep": 0.1, "drop_fraction": 1}, "drop_fraction = 1: must be less than 1"),
    ("set", {"keep": 0.1, "end": 1.5}, "end = 1.5: must be at most 1"),
    ("set", {"keep": 0.1, "distribution": "er"}, "distribution = 'er': must be 'erk' or 'uniform'"),
    ("acdc", {"keep": 0.1, "final_epochs": 0}, "final_epochs = 0: must be at least 1"),
    (
        "top_kast",
        {"keep": 0.3, "backward_keep": 0.2},
        "backward_keep = 0.2: must be at least keep = 0.3",
    ),
    ("proximal_l1", {"strength": 0}, "strength = 0: must be greater than 0"),
    ("proximal_l1", {"keep": 0.1, "strength": 1}, "unknown key 'keep'"),
]


def parse(sparsity: dict[str, Any]) -> RunSpec:
    return RunSpec.parse(
        {
            "task": "digits",
            "model": "mlp",
            "optimizer": {"name": "sgd", "lr": 0.1},
            "train": {"epochs": 4},
            "sparsity": sparsity,
        }
    )


@pytest.mark.parametrize(("name", "options", "sentence"), WRONG)
def test_sentences(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        parse({"name": name, **options})
    assert str(raised.value).startswith("sparsity")
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("gradual", {"end_epoch": 4}, "end_epoch = 4: must be less than the 4 epochs of training"),
        ("dpf", {"start_epoch": 3}, "start_epoch = 3: must be less than 3, where the ramp ends"),
        (
            "acdc",
            {"warmup_epochs": 3, "final_epochs": 2},
            "warmup_epochs = 3: must leave room for final_epochs = 2 in the 4 epochs of training",
        ),
    ],
)
def test_trainings_that_are_too_short(name: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=f"^sparsity.{sentence}"):
        parse({"name": name, "keep": 0.1, **options})


def test_what_runs_must_share() -> None:
    """Whatever decides when a method acts; fractions and strengths may differ."""
    for name, options in METHODS.items():
        if "keep" in options:
            assert structure(name, options) == structure(name, {**options, "keep": 0.25})
    for name, key, value in [
        ("gradual", "end_epoch", 3.0),
        ("dpf", "every", 7),
        ("rigl", "every", 7),
        ("set", "end", 0.5),
        ("acdc", "dense_epochs", 2),
    ]:
        assert structure(name, METHODS[name]) != structure(name, {**METHODS[name], key: value})
    prox = {"strength": 2.0}
    assert structure("proximal_l1", prox) == structure("proximal_l1", METHODS["proximal_l1"])


def test_all_are_registered_and_published() -> None:
    assert {each.name for each in CLASSES} == set(METHODS) < set(SPARSITIES.names())
    assert all(each.source and each.summary for each in CLASSES)
