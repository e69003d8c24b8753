"""Every key that a study may have is explained, by an example that is a study."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from thalweg.data import TASKS
from thalweg.data.augmentation import AUGMENTATIONS
from thalweg.errors import InputError
from thalweg.measure import PROBES
from thalweg.measure.requests import SampleOptions
from thalweg.models import INITS, MODELS
from thalweg.optim import OPTIMIZERS
from thalweg.optim.averaging import AVERAGES
from thalweg.optim.schedules import SCHEDULES
from thalweg.sparsity import CRITERIA, SCOPES, SPARSITIES
from thalweg.spec import TrainOptions
from thalweg.study import build_study
from thalweg.study.plan import StudyOptions
from thalweg.study.protocol import Protocol
from thalweg.study.search import SearchOptions
from thalweg.study.source import SECTIONS, effective, merge, recipes
from thalweg.study.target_options import Targets
from thalweg.writing import Explanation, explain, explained
from thalweg.writing.explain import is_key

ROOT = Path(__file__).parents[2]

REGISTRIES = {
    "task": TASKS,
    "model": MODELS,
    "optimizer": OPTIMIZERS,
    "train.schedule": SCHEDULES,
    "train.augment": AUGMENTATIONS,
    "train.average": AVERAGES,
    "sparsity": SPARSITIES,
    "sparsity.criterion": CRITERIA,
    "sparsity.scope": SCOPES,
    "probes": PROBES,
}

TABLES = {
    "study": StudyOptions,
    "study.targets": Targets,
    "train": TrainOptions,
    "search": SearchOptions,
    "protocol": Protocol,
    "probes": SampleOptions,
}

BASE: dict[str, Any] = {
    "study": {"name": "s", "seeds": 1},
    "task": {"name": "digits"},
    "model": {"name": "mlp", "widths": [8]},
    "train": {"epochs": 6},
    "arms": {"momentum": {"optimizer": {"name": "sgd", "lr": 0.1}}},
}
"""A study that the examples are laid over."""

BESIDE: dict[str, dict[str, Any]] = {
    "protocol.final_sparsity": {"protocol": {"final_seeds": 2}},
    "search.method": {},
    "search.trials": {"search": {"method": "random"}},
    "search.batch": {"search": {"method": "optuna", "trials": 1}},
    "search.drawn": {"search": {"method": "optuna", "trials": 1}},
}
"""What an example needs beside it."""


def keys() -> set[str]:
    """The keys of a study, from what validates it."""
    found = {*SECTIONS, "model.init", "probes.label", "probes.when", "presets.NAME.seeds"}
    for path, registry in REGISTRIES.items():
        found |= {path, f"{path}.name"}
        for entry in registry:
            found.add(f"{path}.{entry.name}")
            for field in entry.options.model_fields:
                found |= {f"{path}.{field}", f"{path}.{entry.name}.{field}"}
    for name, options in INITS.items():
        fields = set(options.model_fields) - {"name"}
        found |= {f"model.init.{name}", *(f"model.init.{name}.{field}" for field in fields)}
    for path, options in TABLES.items():
        found |= {f"{path}.{field}" for field in options.model_fields}
    return found


def test_every_key_is_explained() -> None:
    assert len(keys()) > 600
    assert keys() - set(explained()) == set()


def paths(table: Any, before: str = "") -> Iterator[str]:
    for key, value in table.items():
        quoted = key if re.fullmatch(r"[\w-]+", key) else f'"{key}"'
        yield f"{before}{quoted}"
        if isinstance(value, dict):
            yield from paths(value, f"{before}{quoted}.")
        elif key == "probes":
            for each in value:
                yield from paths(each, f"{before}probes.")


@pytest.mark.parametrize("recipe", recipes())
def test_every_key_of_the_recipes_is_found_where_it_stands(recipe: str) -> None:
    for path in paths(tomllib.loads(recipes()[recipe])):
        found = explain(path)
        assert len(found) == 1, path
        assert found[0].key.rpartition(".")[2] in (*path.split("."), "NAME", "groups")


def anchors(page: str) -> list[str]:
    titles = re.findall(r"^#+ (.*)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def test_every_key_is_told_in_full() -> None:
    for each in explained().values():
        told_in_full(each)
    pages = {each.page for each in explained().values()}
    assert len(pages) > 8
    for page in pages:
        path, _, anchor = page.partition("#")
        assert (ROOT / path).exists()
        assert not anchor or anchor in anchors(path)


def told_in_full(each: Explanation) -> None:
    assert re.fullmatch(r"[^a-z`].*[^`]|[a-z]\w* .*|s of .*", each.summary), each.summary
    assert "``" not in each.summary
    assert each.type
    if each.type == "number" and not each.required and each.default != "none":
        assert each.default == "as below" or float(each.default) is not None


def of_range(key: str) -> dict[str, Any]:
    """Random and Optuna's searches need a range."""
    drawn = key in ("search.trials", "search.batch", "search.drawn")
    return {"optimizer": {"name": "sgd", "lr": "1e-3..1:log"}} if drawn else {}


def examples() -> Iterator[Any]:
    """Every key; those of a name alone, of which there are hundreds, among the slow tests."""
    for key in explained():
        if not key.startswith("presets"):
            slow = [] if is_key(key) else [pytest.mark.slow]
            yield pytest.param(key, marks=slow)


@pytest.mark.parametrize("key", [*examples()])
def test_an_example_is_a_study(key: str) -> None:
    example = tomllib.loads(explained()[key].example)
    assert next(iter(example)) in SECTIONS
    table = merge(BASE, BESIDE.get(key, {}))
    if {"optimizer", "sparsity", "search"} & {*example} or of_range(key):
        table = merge({k: v for k, v in table.items() if k != "arms"}, of_range(key))
        table.setdefault("optimizer", {"name": "sgd", "lr": 0.1})
    if key == "search.drawn":
        example = {"search": {"drawn": {"sgd": [{"optimizer.lr": 0.1}]}}}
    assert build_study(effective(merge(table, example))).specs


def test_examples_of_presets() -> None:
    for key in ("presets", "presets.NAME", "presets.NAME.seeds"):
        assert build_study(effective(merge(BASE, tomllib.loads(explained()[key].example)), "quick"))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("optimizer.lr", ["optimizer.lr"]),
        ("lr", ["optimizer.lr"]),
        ("adam", ["optimizer.adam"]),
        ("random", ["sparsity.criterion.random"]),
        ("step", ["train.schedule.step"]),
        ("[[probes]]", ["probes"]),
        ("[train]", ["train"]),
        ("arms.plain.optimizer.adam.beta1", ["optimizer.adam.beta1"]),
        ('arms."two words.".train.epochs', ["train.epochs"]),
        ("arms.plain", ["arms.NAME"]),
        ("presets.quick.arms.plain.train", ["train"]),
        ("presets.quick.seeds", ["presets.NAME.seeds"]),
        ("protocol.final_sparsity.keep", ["sparsity.keep"]),
        ("study.groups.mine", ["study.groups"]),
        ("seeds", ["study.seeds", "presets.NAME.seeds"]),
        ("curvature", ["optimizer.curvature"]),
    ],
)
def test_what_a_word_or_path_stands_for(asked: str, found: list[str]) -> None:
    assert [each.key for each in explain(asked)] == found


def test_what_is_said_of_a_hyperparameter() -> None:
    (beta1,) = explain("optimizer.adam.beta1")
    field = OPTIMIZERS["adam"].options.model_fields["beta1"]
    assert (beta1.type, beta1.allowed, beta1.default) == ("number", "≥ 0, < 1", str(field.default))
    (lr,) = explain("optimizer.lr")
    assert lr.parts is not None
    assert set(lr.parts) == {e.name for e in OPTIMIZERS if "lr" in e.options.model_fields}
    assert lr.parts["adam"] == "default 0.001; > 0"
    assert lr.parts["sgd"] == "required; > 0"
    (batch,) = explain("train.batch_size")
    assert (batch.allowed, batch.unit) == ('whole number ≥ 1 or "full"', "examples")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("optimizer.adam.bta1", "optimizer.adam.beta1"),
        ("train.epocs", "train.epochs"),
        ("adm", "adam"),
        ("optimiser.lr", "optimizer.lr"),
    ],
)
def test_an_unknown_key_gets_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(InputError, match=r"^unknown key ") as caught:
        explain(wrong)
    assert f"{wrong!r}; did you mean {near!r}? (allowed: " in str(caught.value)
