"""What a field of some options may be: a JSON Schema of it, and that in words."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

from thalweg.validation import Options

Schema = dict[str, Any]


@cache
def field_schemas(options: type[Options]) -> Mapping[str, Schema]:
    """Return the JSON Schema of every field: types and bounds alone, None left out."""
    found = options.model_json_schema()
    definitions = found.get("$defs", {})
    return {name: _clean(each, definitions) for name, each in found.get("properties", {}).items()}


def nested(options: type[Options], field: str) -> type[Options] | None:
    """Return the options that a field holds a table of, if it holds one."""
    annotation = options.model_fields[field].annotation
    kinds = [annotation, *get_args(annotation)]
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, Options)), None)


def _clean(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    if "$ref" in schema:
        return _clean(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    result: Schema = {}
    for key, value in schema.items():
        if key in ("default", "description") or (key == "title" and "pattern" not in schema):
            continue
        if key == "anyOf":
            some = [_clean(each, definitions) for each in value if each.get("type") != "null"]
            if len(some) == 1:
                result |= some[0]
            else:
                result["anyOf"] = some
        elif key == "enum":
            result["enum"] = [each for each in value if each is not None]
        elif key in ("items", "additionalProperties") and isinstance(value, Mapping):
            result[key] = _clean(value, definitions)
        elif key == "properties":
            result[key] = {name: _clean(each, definitions) for name, each in value.items()}
        else:
            result[key] = value
    return result


_TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "array": "list",
    "object": "table",
}

_BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}


def type_words(schema: Schema) -> str:
    """Return what kind of value a schema allows: "number", "list of text"."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(type_words, schema["anyOf"])))
    if "const" in schema or "enum" in schema:
        return "text"
    kind = _TYPES.get(schema.get("type", ""), "any value")
    if "items" in schema:
        inner = type_words(schema["items"])
        several = inner.replace("number", "numbers").replace("list", "lists")
        return f"list of {several}"
    return kind


def allowed_words(schema: Schema) -> str:
    """Return which of these values are allowed: "> 0, ≤ 1"; "" where all are."""
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(filter(None, map(_alone, schema["anyOf"]))))
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return ", ".join(map(json.dumps, schema["enum"]))
    if "title" in schema:
        return str(schema["title"])
    words = [f"{sign} {schema[key]}" for key, sign in _BOUNDS.items() if key in schema]
    if "items" in schema and (each := allowed_words(schema["items"])):
        words.append(f"each {each}")
    if schema.get("minItems"):
        words.append("not empty")
    return ", ".join(words)


def _alone(schema: Schema) -> str:
    """Return the words of one schema among others, for which its type must be told too."""
    words = allowed_words(schema)
    if "type" not in schema or schema["type"] == "string":
        return words
    return f"{type_words(schema)} {words}".strip()
