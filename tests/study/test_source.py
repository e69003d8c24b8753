"""From a file, a preset and overrides to one table."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from thalweg.errors import InputError
from thalweg.study import load_study, recipes
from thalweg.study.source import effective, merge, parse_study, read_study

STUDY = tomllib.loads("""
[study]
name = "s"
title = "a title"
seeds = 5

[task]
name = "digits"
size = 8

[model]
name = "mlp"
widths = [8]

[train]
epochs = 20
schedule = { name = "step", every_epochs = 5 }

[arms.a]
optimizer = { name = "sgd", lr = 0.1, momentum = 0.9 }

[arms.b]
optimizer = { name = "adam" }

[presets.quick]
seeds = 2
train.epochs = 2
arms.a.optimizer.lr = [0.1, 0.2]

[presets.other]
model = { name = "rnn", hidden = 4 }
train.schedule = { name = "cosine" }
study.title = "another"
""")


def test_without_changes_only_the_presets_are_left_out() -> None:
    assert effective(STUDY) == {key: STUDY[key] for key in STUDY if key != "presets"}
    assert effective(STUDY, preset="full") == effective(STUDY)


def test_a_preset_is_laid_over() -> None:
    quick = effective(STUDY, preset="quick")
    assert quick["study"]["seeds"] == 2
    assert quick["study"]["title"] == "a title"
    assert quick["train"] == {"epochs": 2, "schedule": {"name": "step", "every_epochs": 5}}
    optimizer = {"name": "sgd", "lr": [0.1, 0.2], "momentum": 0.9}
    assert quick["arms"] == {"a": {"optimizer": optimizer}, "b": {"optimizer": {"name": "adam"}}}


def test_a_preset_may_choose_other_things() -> None:
    other = effective(STUDY, preset="other")
    assert other["model"] == {"name": "rnn", "hidden": 4}
    assert other["train"] == {"epochs": 20, "schedule": {"name": "cosine"}}
    assert other["study"]["seeds"] == 5
    assert other["study"]["title"] == "another"


def test_a_preset_does_not_take_the_place_of_the_full_study() -> None:
    names = {effective(STUDY, preset=p)["study"]["name"] for p in (None, "full", "quick", "other")}
    assert len(names) == 3
    assert "s" in names


def test_overrides_come_after_the_preset_and_seeds_last() -> None:
    table = effective(STUDY, "quick", 7, ["train.epochs=9", "study.seeds=[3, 4]"])
    assert table["train"]["epochs"] == 9
    assert table["study"]["seeds"] == 7


def test_nothing_is_changed_in_place() -> None:
    before = repr(STUDY)
    effective(STUDY, "quick", 3, ["train.epochs=9", "arms.a.optimizer.lr=1"])
    assert repr(STUDY) == before


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("train.epochs=3", "train.epochs", 3),
        ("train.epochs = 3 ", "train.epochs", 3),
        ("train . epochs=3", "train.epochs", 3),
        ("train.clip_norm=0.5", "train.clip_norm", 0.5),
        ("train.clip_norm=1e-3", "train.clip_norm", 1e-3),
        ("optimizer.nesterov=true", "optimizer.nesterov", True),
        ("optimizer.lr=[0.1, 0.2]", "optimizer.lr", [0.1, 0.2]),
        ("task.name=sine", "task.name", "sine"),
        ('task.name="sine"', "task.name", "sine"),
        ("model=users:Net", "model", "users:Net"),
        ("study.title=a = b", "study.title", "a = b"),
        ("study.title=", "study.title", ""),
        ("train.batch_size=full", "train.batch_size", "full"),
        ('train.schedule={ name = "cosine" }', "train.schedule", {"name": "cosine"}),
        ("arms.a.optimizer.lr=1", "arms.a.optimizer.lr", 1),
        ("arms.b.train.epochs=1", "arms.b.train.epochs", 1),
        ("study.seeds=[3]", "study.seeds", [3]),
    ],
)
def test_an_override_is_toml_or_else_a_string(text: str, path: str, value: Any) -> None:
    found: Any = effective(STUDY, overrides=[text])
    for part in path.split("."):
        found = found[part]
    assert found == value
    assert type(found) is type(value)


def test_an_override_keeps_what_stands_beside_it() -> None:
    table = effective(STUDY, overrides=["study.name=t", "arms.a.optimizer.lr=1", "task.size=16"])
    assert table["study"] == {"name": "t", "title": "a title", "seeds": 5}
    assert table["arms"]["a"]["optimizer"] == {"name": "sgd", "lr": 1, "momentum": 0.9}
    assert table["task"] == {"name": "digits", "size": 16}


def test_an_override_of_a_name_drops_its_options() -> None:
    table = effective(STUDY, overrides=["arms.a.optimizer.name=adam", "task.name=sine"])
    assert table["arms"]["a"]["optimizer"] == {"name": "adam"}
    assert table["task"] == {"name": "sine"}


@pytest.mark.parametrize(
    ("base", "over", "wanted"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": {"b": 1, "c": 1}}, {"a": {"b": 2}}, {"a": {"b": 2, "c": 1}}),
        ({"train": {"epochs": 1}}, {"train": {}}, {"train": {"epochs": 1}}),
        # Another choice replaces the table whole ...
        (
            {"optimizer": {"name": "sgd", "lr": 1}},
            {"optimizer": {"name": "adam"}},
            {"optimizer": {"name": "adam"}},
        ),
        (
            {"train": {"epochs": 1, "schedule": {"name": "step", "gamma": 0.1}}},
            {"train": {"schedule": {"name": "cosine"}}},
            {"train": {"epochs": 1, "schedule": {"name": "cosine"}}},
        ),
        # ... the same choice does not, nor do options without a name, above or below.
        (
            {"optimizer": {"name": "sgd", "lr": 1}},
            {"optimizer": {"name": "sgd", "momentum": 0.9}},
            {"optimizer": {"name": "sgd", "lr": 1, "momentum": 0.9}},
        ),
        (
            {"optimizer": {"name": "sgd", "lr": 1}},
            {"optimizer": {"lr": 2}},
            {"optimizer": {"name": "sgd", "lr": 2}},
        ),
        (
            {"optimizer": {"lr": 1}},
            {"optimizer": {"name": "sgd"}},
            {"optimizer": {"name": "sgd", "lr": 1}},
        ),
        # A bare name is a table with nothing but a name.
        ({"optimizer": "adam"}, {"optimizer": {"lr": 1}}, {"optimizer": {"name": "adam", "lr": 1}}),
        ({"optimizer": "adam"}, {"optimizer": {"name": "sgd"}}, {"optimizer": {"name": "sgd"}}),
        ({"optimizer": {"name": "sgd", "lr": 1}}, {"optimizer": "adam"}, {"optimizer": "adam"}),
        # The name of a study is no choice.
        (
            {"study": {"name": "a", "seeds": 3}},
            {"study": {"name": "b"}},
            {"study": {"name": "b", "seeds": 3}},
        ),
    ],
)
def test_merge(base: dict[str, Any], over: dict[str, Any], wanted: dict[str, Any]) -> None:
    before = repr((base, over))
    assert merge(base, over) == wanted
    assert repr((base, over)) == before


@pytest.mark.parametrize("name", recipes())
def test_every_recipe_loads_in_full_and_with_every_preset(name: str) -> None:
    presets = read_study(name).get("presets", {})
    full = load_study(name, seeds=1)  # a hundred would take long
    assert full.name == name
    assert full.source == name
    assert full.options.title
    assert full.options.question
    assert full.specs
    assert load_study(name, preset="full", seeds=1).specs == full.specs
    for preset in presets:
        smaller = load_study(name, preset=preset, seeds=1)
        work = [sum(spec.train.epochs for spec in study.specs) for study in (smaller, full)]
        assert 0 < work[0] < work[1]


def test_a_file_is_read_as_utf8(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes('[study]\nname = "s"\ntitle = "Größe η → 0"\n'.encode())
    assert read_study(str(path))["study"]["title"] == "Größe η → 0"
    path.write_bytes(b'[study]\nname = "\xff"\n')
    with pytest.raises(InputError, match=r"s\.toml: is not UTF-8 text"):
        read_study(str(path))


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "study.txt"
    path.write_text('study.name = "s"')
    assert read_study(str(path)) == {"study": {"name": "s"}}


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read \(No such file"):
        read_study(str(tmp_path / "none.toml"))
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_study(str(tmp_path))
    with pytest.raises(InputError) as caught:
        read_study("dmeo")
    message = str(caught.value)
    assert message.startswith("unknown recipe 'dmeo'; did you mean 'demo'? (allowed: demo, ")
    assert message.endswith(", or give the path of a .toml file")


def test_invalid_toml_is_located() -> None:
    with pytest.raises(InputError) as caught:
        parse_study('[study]\nname = "s"\nseeds = = 3\n', "s.toml")
    assert str(caught.value) == "s.toml: is not valid TOML: Invalid value (at line 3, column 9)"
