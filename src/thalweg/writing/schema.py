"""The JSON Schema of a study file, by which editors complete and check it.

It is of draft 7, and laid out for Taplo, which the TOML plug-ins of editors use: it completes keys
from ``properties``, but not of a schema that also has ``allOf``, and does not look into ``if``.
So all keys stand in ``properties``, and what depends on a name is said by ``if`` and ``then``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from thalweg.measure.requests import SampleOptions
from thalweg.study.plan import ARM_SECTIONS
from thalweg.study.source import SECTIONS
from thalweg.validation import Options
from thalweg.writing.describe import describe
from thalweg.writing.fields import Schema, field_schemas, nested
from thalweg.writing.tables import CHOICES, TABLES, WORDS, Choice, Thing

NUMBER = r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?"
RANGE = rf"^\s*{NUMBER}\.\.{NUMBER}:([0-9]+|log)\s*$"
"""``1e-3..1:8`` or ``1e-4..1:log``, in place of a number."""

REFERENCE = ":"
"""Pattern of ``"package.module:Name"``."""

NEEDED = ("task", "model", "optimizer", "train")
"""Sections that every arm has, of its own or of the study."""

OWN = tuple(path for path in NEEDED if path in CHOICES and CHOICES[path].reference)
"""Sections that may name a user's object, whose keys no schema can know."""


def study_schema() -> Schema:
    """Return the JSON Schema of a study file.

    An arm, or a preset, holds parts of tables that are laid over others. What must be given is
    therefore asked for of studies without arms alone, and sections of the arms together.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A Thalweg study",
        "description": "What is trained, how, and what is measured of it: arms × grid × seeds.",
        "type": "object",
        "properties": {**_sections(SECTIONS), "study": _table("study", required=["name"])},
        "additionalProperties": False,
        "required": ["study"],
        "if": True,
        "then": _all([_given(), *map(_known_where_nothing_is_own, OWN)]),
        "definitions": _definitions(),
    }


def _definitions() -> dict[str, Schema]:
    presets = [*(name for name in SECTIONS if name != "presets"), "seeds"]
    return {
        **{choice.kind: _choice(choice) for choice in CHOICES.values()},
        **{f"known-{path}": _known(CHOICES[path], path) for path in OWN},
        "train": _train(),
        "study": _table("study"),
        "search": _table("search"),
        "protocol": _table("protocol", {"final_sparsity": _ref("sparsity")}),
        "arm": _part(ARM_SECTIONS, WORDS["arms.NAME"].text, [{"const": False}]),
        "preset": _part(presets, WORDS["presets.NAME"].text, []),
    }


def _sections(names: Iterable[str]) -> dict[str, Schema]:
    special = {
        "arms": _map_of("arm", WORDS["arms"].text),
        "presets": _map_of("preset", WORDS["presets"].text),
        "probes": {"type": "array", "items": _ref("probe"), "description": CHOICES["probes"].text},
        "seeds": field_schemas(TABLES["study"].options)["seeds"]
        | {"description": WORDS["presets.NAME.seeds"].text},
    }
    return {name: special.get(name) or _ref(name) for name in names}


def _part(names: Iterable[str], text: str, others: list[Schema]) -> Schema:
    """Return the schema of a table of sections, or of something else in its place."""
    return {
        "description": text,
        "anyOf": [{"type": "object"}, *others],
        "properties": _sections(names),
        "additionalProperties": False,
    }


def _map_of(definition: str, text: str) -> Schema:
    return {
        "type": "object",
        "description": text,
        "additionalProperties": _ref(definition),
    }


def _ref(definition: str) -> Schema:
    return {"$ref": f"#/definitions/{definition}"}


def _all(schemas: Iterable[Schema]) -> Schema:
    return {"allOf": [*schemas]}


# Tables whose name chooses.


def _choice(choice: Choice) -> Schema:
    """Return the schema of a name, or of a table with one; in a part of a study without one."""
    also = _beside(choice.path)
    names: Schema = {"enum": [*choice.things]}
    if choice.reference:
        names = {"anyOf": [names, {"type": "string", "pattern": REFERENCE}]}
    kinds = [names, {"type": "object"}]
    if choice.path.startswith(("train.", "model.", "sparsity.")):
        kinds.append({"type": "array", "items": _ref(choice.kind), "minItems": 1})
    fields = {field: {"description": _texts(choice, field)} for field in choice.fields}
    named = _all(_of_thing(choice, thing, also) for thing in choice.things.values())
    unnamed = {} if choice.reference else {"else": _unnamed(choice, also)}
    return {
        "description": choice.text,
        "anyOf": kinds if choice.path != "probes" else [{"type": "object"}],
        "properties": {**fields, **also, "name": {**names, "description": choice.text}},
        "if": {"required": ["name"]},
        "then": named,
        **unnamed,
        **({"required": ["name"]} if choice.path == "probes" else {}),
    }


def _beside(path: str) -> dict[str, Schema]:
    """Return the keys that a table has whatever its name."""
    if path == "model":
        return {"init": _ref("init")}
    if path != "probes":
        return {}
    words = (WORDS["probes.label"], WORDS["probes.when"])
    own = {word.path.rpartition(".")[2]: {"type": "string"} for word in words}
    own["when"]["pattern"] = "^(end|(every|last):[1-9][0-9]*)$"
    for word in words:
        own[word.path.rpartition(".")[2]]["description"] = word.text
    return {**own, **_fields(SampleOptions, SampleOptions.model_fields, "")}


def _of_thing(choice: Choice, thing: Thing, also: Mapping[str, Schema]) -> Schema:
    fields = _fields(thing.options, thing.fields, choice.lists, choice.path)
    return {
        "if": {"properties": {"name": {"const": thing.name}}},
        "then": {
            "properties": {"name": True, **dict.fromkeys(also, True), **fields},
            "additionalProperties": False,
        },
    }


def _unnamed(choice: Choice, also: Mapping[str, Schema]) -> Schema:
    """Return the schema of a part of a table, whose name stands in another part."""
    fields: dict[str, Schema] = {}
    for field in choice.fields:
        several = [
            _fields(thing.options, [field], choice.lists, choice.path)[field]
            for thing in choice.with_field(field)
        ]
        bare = [
            {k: v for k, v in s.items() if k not in ("description", "default")} for s in several
        ]
        different = [schema for i, schema in enumerate(bare) if schema not in bare[:i]]
        fields[field] = different[0] if len(different) == 1 else {"anyOf": different}
    return {
        "properties": {**dict.fromkeys(also, True), **fields},
        "additionalProperties": False,
    }


def _known(choice: Choice, section: str) -> Schema:
    """Return the schema of a study, an arm or a preset whose table, if it has no name, is part of
    one that does not name a user's object.
    """
    table = {"if": {"not": {"required": ["name"]}}, "then": _unnamed(choice, _beside(section))}
    return {"properties": {section: table}}


def _known_where_nothing_is_own(section: str) -> Schema:
    """Return the schema of a study of whose parts of a section without a name the keys are known,
    unless it names a user's object in that section somewhere.
    """
    reference = {"pattern": REFERENCE}
    own = {
        "required": [section],
        "properties": {
            section: {
                "anyOf": [
                    {"type": "string", **reference},
                    {"type": "object", "required": ["name"], "properties": {"name": reference}},
                ]
            }
        },
    }
    not_own = {"not": {"type": "object", **own}}
    known = _ref(f"known-{section}")
    arms = {"properties": {"arms": {"additionalProperties": known}}}
    preset = {"additionalProperties": _all([known, arms])}
    return {
        "if": _all([not_own, {"properties": {"arms": {"additionalProperties": not_own}}}]),
        "then": _all([known, arms, {"properties": {"presets": preset}}]),
    }


def _texts(choice: Choice, field: str) -> str:
    """Return what a key means, which may depend on the name."""
    texts: dict[str, list[str]] = {}
    for thing in choice.with_field(field):
        texts.setdefault(describe(thing.options, field), []).append(thing.name)
    if len(texts) == 1:
        return next(iter(texts))
    return "\n\n".join(f"{', '.join(names)}: {text}" for text, names in texts.items())


# Other tables.


def _table(
    path: str, special: Mapping[str, Schema] | None = None, required: Iterable[str] = ()
) -> Schema:
    options = TABLES[path].options
    given = {"required": [*required]} if required else {}
    return {
        "type": "object",
        "description": TABLES[path].text,
        "properties": _fields(options, options.model_fields, "") | dict(special or {}),
        "additionalProperties": False,
        **given,
    }


def _train() -> Schema:
    options = TABLES["train"].options
    choices = {
        path.removeprefix("train."): _ref(choice.kind)
        for path, choice in CHOICES.items()
        if path.startswith("train.")
    }
    return {
        "type": "object",
        "description": TABLES["train"].text,
        "properties": {**_fields(options, options.model_fields, "grid"), **choices},
        "additionalProperties": False,
    }


def _fields(
    options: type[Options], fields: Iterable[str], lists: str, path: str = ""
) -> dict[str, Schema]:
    """Return the schemas of some keys: what they may be, what they mean, and their defaults."""
    found: dict[str, Schema] = {}
    for field in fields:
        schema = _inner(options, field, path) or field_schemas(options)[field]
        default: Any = options.model_fields[field].get_default()
        known = isinstance(default, bool | int | float | str)
        found[field] = {
            **(_or_several(schema, ranges=lists == "grid") if lists else schema),
            "description": describe(options, field),
            **({"default": default} if known else {}),
        }
    return found


def _inner(options: type[Options], field: str, path: str) -> Schema | None:
    """Return the schema of a key whose value is a table, or a name and options, if it is one."""
    kind = nested(options, field)
    if kind is not None:
        return {
            "type": "object",
            "properties": _fields(kind, kind.model_fields, ""),
            "additionalProperties": False,
        }
    inner = CHOICES.get(f"{path}.{field}" if field != "lr_schedule" else "train.schedule")
    return {"anyOf": [_ref(inner.kind)]} if inner else None


def _or_several(schema: Schema, ranges: bool) -> Schema:
    """Return the schema of a value, or of a list of such: a grid axis, or an arm each."""
    kind = schema.get("type")
    several = {"items": schema, "minItems": 1, "uniqueItems": True}
    if kind in ("array", None) or "enum" in schema:
        return {"anyOf": [schema, {"type": "array", **several}]}
    # Bounds concern numbers alone, so there is no need of anyOf, whose errors say little.
    text = {"pattern": RANGE} if ranges and kind == "number" else {}
    types = [kind, "array", *(["string"] if text else [])]
    return {**schema, **text, **several, "type": types}


# What must be given.


def _given() -> Schema:
    return {
        "if": {"required": ["arms"], "properties": {"arms": {"minProperties": 1}}},
        "then": _all(map(_in_every_arm, NEEDED)),
        "else": {"required": [*NEEDED], "properties": _complete()},
    }


def _in_every_arm(section: str) -> Schema:
    """Return the schema of a study that has a section, or else arms that have it."""
    arm = {"anyOf": [{"const": False}, {"required": [section]}]}
    return {
        "if": {"not": {"required": [section]}},
        "then": {"properties": {"arms": {"additionalProperties": arm}}},
    }


def _complete() -> dict[str, Schema]:
    """Return the schemas of the sections of a study without arms, over which nothing is laid."""
    schedule = _complete_choice(CHOICES["train.schedule"], [])
    train = {"required": ["epochs"], "properties": {"schedule": schedule}}
    return {
        "task": _complete_choice(CHOICES["task"], ["name"]),
        "model": {"required": ["name"], "properties": {"init": {"required": ["name"]}}},
        "optimizer": _complete_choice(CHOICES["optimizer"], ["name"]),
        "train": train,
        "sparsity": _complete_choice(CHOICES["sparsity"], ["name"]),
    }


def _complete_choice(choice: Choice, required: list[str]) -> Schema:
    """Return the schema of a table that has all that its name asks for, or a name that asks for
    nothing.
    """
    demanding = [thing for thing in choice.things.values() if thing.required]
    if not demanding:
        return {"required": required}
    return {
        "required": required,
        "not": {"enum": [thing.name for thing in demanding]},
        "allOf": [
            {
                "if": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {"name": {"const": thing.name}},
                },
                "then": {"required": thing.required},
            }
            for thing in demanding
        ],
    }
