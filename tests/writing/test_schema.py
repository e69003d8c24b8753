"""The JSON Schema of a study against an independent validator, and against what Thalweg refuses."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from thalweg.errors import InputError
from thalweg.study import build_study, load_study
from thalweg.study.source import merge, recipes
from thalweg.writing import study_schema

ROOT = Path(__file__).parents[2]
SCHEMA = study_schema()
VALIDATOR = Draft7Validator(SCHEMA)

BASE = """
[study]
name = "s"
[task]
name = "digits"
[model]
name = "mlp"
[optimizer]
name = "sgd"
lr = 0.1
[train]
epochs = 2
"""


def faults(table: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(table)]


def laid_over(text: str) -> dict[str, Any]:
    return merge(tomllib.loads(BASE), tomllib.loads(text))


def test_it_is_a_schema_of_draft_7() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("recipe", recipes())
def test_every_recipe_is_right(recipe: str) -> None:
    assert faults(tomllib.loads(recipes()[recipe])) == []


BLOCKS = [
    pytest.param(block, id=f"{page.name}:{number}")
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.S))
    if "build-system" not in block
]


def test_there_are_studies_in_the_docs() -> None:
    assert len(BLOCKS) >= 10


@pytest.mark.parametrize("block", BLOCKS)
def test_every_study_of_the_docs_is_right(block: str) -> None:
    assert faults(laid_over(block)) == []


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("docs/results/**/study.toml")), ids=lambda path: path.parent.name
)
def test_a_recorded_study_is_right(path: Path) -> None:
    assert faults(tomllib.loads(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "optimizer.lr = [0.1, 1.0]",
        'optimizer.lr = "1e-3..1:8"',
        'optimizer.lr = "1e-4..1:log"\nsearch = { method = "random", trials = 3 }',
        "model.widths = [[8], [16, 16]]",
        'train.schedule = ["constant", { name = "cosine", warmup_epochs = 1 }]',
        'train.schedule = { name = "cosine", warmup_epochs = [0, 1] }',
        'train.batch_size = [32, "full"]',
        'model.init = ["default", { name = "orthogonal", gain = 2 }]',
        'model.init = { name = "orthogonal", gain = [1, 2] }',
        "arms.a.optimizer.lr = 1\narms.b = false",
        'arms.a.optimizer = "adam"',
        "presets.quick = { seeds = [1, 5], arms.a = false, train.epochs = 1 }\narms.a = {}",
        "optimizer.momentum = 0.9\npresets.q.optimizer.momentum = [0, 0.5]",
        'model = { name = "mine:Net", widths = "wide" }\npresets.q.model.widths = "narrow"',
        'arms.a.model = { name = "mine:Net", deep = 3 }\npresets.q.arms.a.model.deep = 1',
        'sparsity = { name = "imp", target = [0.5, 0.8], criterion = ["magnitude", "random"] }',
        'sparsity = { name = "imp", keep = [[0.5], [0.2]], lr_schedule = "cosine" }',
        'sparsity = { name = "ste", keep = [0.1, 0.5] }',
        '[[probes]]\nname = "hessian"\nexamples = 100\ntop = 3\narms = ["*"]',
        "study.seeds = [3, 5]\nprotocol = { final_seeds = 3, final_sparsity = "
        '{ name = "one_shot", keep = 0.2 } }',
        'study.targets = { test_accuracy = [0.5, "median:sgd"], train_loss = 0.3 }',
    ],
)
def test_what_a_study_may_say(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = laid_over(text)
    assert faults(table) == []
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "def Net(widths='', deep=1):\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    build_study({key: value for key, value in table.items() if key != "presets"})


@pytest.mark.parametrize(
    "text",
    [
        "presets.quick.optimizer.momentun = 0.9",
        "presets.quick.sed = 3",
        "presets.quick = 3",
        "arms.a = true",
        "arms.a.train.batch_size = 0",
        'sparsity = { name = "ste", keep = 0.1, keeep = 0.2 }',
        'sparsity = { name = "imp", target = 0.8, rewind = "epoch:one" }',
        'sparsity = { name = "imp", target = 0.8, criterion = { name = "grasp", temp = 1 } }',
        'sparsity = { name = "imp", target = 0.8, lr_schedule = "cosin" }',
        'sparsity = "ste"',
        '[[probes]]\nname = "hesian"',
        '[[probes]]\nname = "hessian"\ntop = "three"',
        '[[probes]]\nname = "dynamics"\nwhen = "every:0"',
        "[[probes]]\ntop = 3",
        "protocol.final_seeds = 0",
        'protocol.selection = "train"',
        "search.trials = 0",
    ],
)
def test_what_it_may_not_say(text: str) -> None:
    assert faults(laid_over(text)) != []


def test_the_names_and_texts_that_editors_show() -> None:
    """Every key has a description, and stands where editors look: in ``properties``, beside which
    Taplo reads no ``allOf``.
    """
    for name, definition in SCHEMA["definitions"].items():
        if name.startswith("known-"):
            continue
        assert "allOf" not in definition
        assert definition["description"]
        for key, schema in definition["properties"].items():
            assert schema.get("description") or "$ref" in schema, (name, key)
    assert "allOf" not in SCHEMA
    optimizer = SCHEMA["definitions"]["optimizer"]["properties"]
    assert {"name", "lr", "momentum", "rho"} <= set(optimizer)


def bad_input() -> list[tuple[str, str]]:
    path = ROOT / "tests" / "study" / "test_bad_input.py"
    spec = importlib.util.spec_from_file_location("bad_input_of_studies", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [case.values for case in module.CASES]


BEYOND = (
    # What no schema can know: a user's code, other tables, numbers that JSON has not.
    *("no_such_module", "badly_made", "raises_on_import", "no_python", "':Net'", "torch.optim:"),
    *("model.width = 2024-05-27", "matches none of the arms", "unknown arm", "needs momentum"),
    *("must be less than the 2 epochs", "= nan", "= inf"),
)


def test_it_refuses_what_thalweg_refuses_as_far_as_a_schema_can(tmp_path: Path) -> None:
    cases = bad_input()
    missed = [sentence for text, sentence in cases if not faults(tomllib.loads(text))]
    assert [each for each in missed if not any(part in each for part in BEYOND)] == []
    assert len(missed) <= 0.2 * len(cases)


def test_a_study_that_it_calls_wrong_is_wrong(tmp_path: Path) -> None:
    """Of the faulty studies those that it refuses are refused by Thalweg, too."""
    path = tmp_path / "s.toml"
    for text, _ in bad_input():
        if faults(tomllib.loads(text)):
            path.write_text(text)
            with pytest.raises(InputError):
                load_study(path)
