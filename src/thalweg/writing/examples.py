"""An example of every key, which a study may have as it stands."""

from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.validation import Options
from thalweg.writing.fields import Schema, field_schemas
from thalweg.writing.tables import Choice, Table, Thing
from thalweg.writing.toml import inline

USUAL: Mapping[str, Any] = {
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "every_epochs": 5,
    "warmup_epochs": 1,
    "split_bias": 0.01,
    "strength": 1e-4,
    "keep": 0.2,
    "backward_keep": 0.5,
    "target": 0.8,
    "RoundsOptions.rounds": 5,
    "rewind": "epoch:1",
    "examples": 1000,
    "label_smoothing": 0.1,
    "end_epoch": 3,
    "title": "Does momentum pay?",
    "question": "Which of the two learns faster?",
    "name": "momentum",
    "seeds": 5,
    "final_seeds": 10,
    "tuning": 50,
    "trials": 20,
    "metric": "test_accuracy",
    "StudyOptions.groups": {"with momentum": ["momentum*"]},
    "notes": ["The test split was looked at before."],
    "targets": {"test_accuracy": [0.85, 0.9]},
    "final_sparsity": {"name": "one_shot", "keep": 0.2},
    "arm_seeds": {"momentum": 8},
    "until_resolved": {"max_seeds": 40, "metric": "test_accuracy"},
    "drawn": {"sgd": [{"optimizer.lr": 0.1}]},
    "lr_schedule": "cosine",
    "test_loss": 0.3,
    "validation_loss": 0.3,
    "train_loss": 0.3,
    "test_accuracy": [0.85, 0.9],
    "validation_accuracy": 0.9,
    "arms": ["momentum*"],
    "parameters": ["*weight"],
    "instruments": ["loss"],
    "shape": [1, 28, 28],
}
"""Values for keys that have no default, or whose default shows little: by the name of a key, or
with that of its options before it.
"""

KEPT_LIST = [0.6, 0.4]
"""Fractions kept of a pruning by rounds, whose ``keep`` is a list."""

NEEDED: Mapping[str, Sequence[str]] = {"imp": ["target"], "nesterov": ["momentum"]}
"""Keys that must be given beside, by a name or a key."""


def value_of(options: type[Options], field: str) -> Any:
    """Return a value that a field may have."""
    schema = field_schemas(options)[field]
    default = options.model_fields[field].default
    plain = isinstance(default, bool | int | float | str | list) and default != []
    if field == "keep" and schema.get("type") == "array":
        return KEPT_LIST
    for name in (f"{options.__name__}.{field}", field):
        if name in USUAL and not (plain and field == "lr"):
            return USUAL[name]
    return default if plain else sample(schema)


def sample(schema: Schema) -> Any:
    """Return a value that a schema allows."""
    if "anyOf" in schema:
        return sample(schema["anyOf"][0])
    if "const" in schema or "enum" in schema:
        return schema.get("const") or schema["enum"][0]
    kind = schema.get("type")
    low: Any = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    if kind == "integer":
        return low + ("exclusiveMinimum" in schema)
    if kind == "number":
        high: Any = schema.get("maximum", schema.get("exclusiveMaximum", low + 2))
        return (low + high) / 2
    if kind == "array":
        return [sample(schema.get("items", {}))]
    return {"boolean": True, "object": {}}.get(str(kind), "text")


def example_of_thing(choice: Choice, thing: Thing, field: str = "") -> str:
    """Return how a study chooses one of the names, with one of its keys."""
    needed = [*thing.required, *NEEDED.get(thing.name, ()), *NEEDED.get(field, ())]
    if (thing.name, field) == ("imp", "keep"):
        needed.remove("target")  # which it stands for
    wanted = dict.fromkeys([*needed, *([field] if field else [])])
    given = {key: value_of(thing.options, key) for key in wanted if key in thing.fields}
    return example(choice.path, {"name": thing.name, **given})


def example_of_field(table: Table, field: str) -> str:
    """Return how a study gives a key of a table."""
    value = value_of(table.options, field)
    if table.path == "probes":
        return example("probes", {"name": "hessian", field: value})
    if table.path == "protocol.until_resolved":  # which has no part without the others
        return example(table.path, USUAL["until_resolved"])
    return f"{table.path}.{field} = {inline(value)}"


def example(path: str, table: Mapping[str, Any]) -> str:
    """Return a table of a study as TOML."""
    if path == "probes":
        return "\n".join(["[[probes]]", *(f"{key} = {inline(v)}" for key, v in table.items())])
    if path.startswith("sparsity."):
        key = path.partition(".")[2]
        return f"sparsity = {inline({'name': 'one_shot', 'keep': 0.2, key: dict(table)})}"
    return f"{path} = {inline(dict(table))}"
