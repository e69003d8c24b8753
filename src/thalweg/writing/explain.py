"""What a key of a study file is, and which values it may have."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from thalweg.errors import InputError
from thalweg.study.source import SECTIONS
from thalweg.validation import Options
from thalweg.writing.describe import TERMS, UNITS, describe
from thalweg.writing.examples import example_of_field, example_of_thing
from thalweg.writing.fields import allowed_words, field_schemas, nested, type_words
from thalweg.writing.tables import CHOICES, TABLES, WORDS, Choice, Table, Thing, Word
from thalweg.writing.toml import inline

LISTS = {
    "grid": "a list is a grid axis",
    "arms": "a list makes an arm of each value",
    "": "",
}


SAME = {"protocol.final_sparsity": "sparsity", "sparsity.lr_schedule": "train.schedule"}
"""Tables that have the keys of another."""


@dataclass(frozen=True)
class Explanation:
    """One key of a study file, or one of the names that a key may have.

    Attributes:
        key: Dotted path: "optimizer.lr", "optimizer.adam.beta1".
        summary: What it is.
        type: What kind of value it has.
        allowed: Which of these values are allowed; "" where all are.
        default: What it is where it is not given; "" where it must be.
        required: Whether it must be given.
        unit: What its number counts; "" for what has no unit.
        lists: What a list in its place means; "" where it means nothing of its own.
        example: A piece of a study file.
        page: Where it is documented.
        source: Where it was published; of a name alone.
        parts: By name its keys, or the names that have the key, and what there is to say of each.
    """

    key: str
    summary: str
    type: str
    page: str
    example: str
    allowed: str = ""
    default: str = ""
    required: bool = False
    unit: str = ""
    lists: str = ""
    source: str = ""
    parts: Mapping[str, str] | None = None


def explain(key: str) -> list[Explanation]:
    """Explain a key by its dotted path, or all keys and names that end in a word.

    Keys of an arm or a preset (``arms.NAME.optimizer.lr``) are those of the study.

    Raises:
        InputError: There is no such key.
    """
    known = explained()
    wanted = re.sub(r"[\[\]\s]", "", key).strip(".")
    for path in _readings(wanted):
        if path in known:
            return [known[path]]
    ends = [path for path in known if path.rpartition(".")[2] == wanted]
    # A word stands for a name, or else for the keys of tables, not for those of every name.
    found = [path for path in ends if _is_thing(path)] or _without_those_of_things(ends)
    if found:
        return [known[path] for path in found]
    words = {path.rpartition(".")[2]: path for path in known}
    near = difflib.get_close_matches(wanted, [*known, *words], n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(
        f"unknown key {key!r}{hint} (allowed: a name, or a path that begins with "
        f"{', '.join(SECTIONS)})"
    )


@cache
def explained() -> Mapping[str, Explanation]:
    """Return the explanation of every key and name, by path."""
    return {each.key: each for each in _all()}


def is_key(path: str) -> bool:
    """Return whether a path is that of a key, and not of a name or of a key under a name."""
    return not _is_thing(path) and not _is_thing(path.rpartition(".")[0]) and "NAME" not in path


def _readings(path: str) -> Iterator[str]:
    """Yield a path, and what it is without the arm or preset in front, or with NAME for theirs."""
    yield path
    head, *rest = _parts(path)
    if head in ("arms", "presets") and rest:
        yield ".".join([head, "NAME", *rest[1:]])
        if len(rest) > 1:
            yield from _readings(".".join(rest[1:]))
    for table in ("study.groups", "protocol.arm_seeds"):
        if path.startswith(f"{table}."):
            yield table
    for part, whole in SAME.items():
        if path.startswith(f"{part}."):
            yield from _readings(path.replace(part, whole, 1))


def _parts(path: str) -> list[str]:
    """Split a dotted path; dots within quotes divide nothing."""
    return re.findall(r'"[^"]*"|[^.]+', path) or [path]


def _is_thing(path: str) -> bool:
    above, _, name = path.rpartition(".")
    return above in CHOICES and name in CHOICES[above].things


def _without_those_of_things(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if not _is_thing(path.rpartition(".")[0])]


def _all() -> Iterator[Explanation]:
    for table in TABLES.values():
        if table.path not in CHOICES:
            yield _table(table)
        yield from (_field_of_table(table, field) for field in table.options.model_fields)
    for choice in CHOICES.values():
        for field in choice.fields:
            if f"{choice.path}.{field}" not in CHOICES:
                yield _field_of_choice(choice, field)
        yield _choice(choice, choice.path, "text, or table with a name")
        yield _choice(choice, f"{choice.path}.name", "text")
        for thing in choice.things.values():
            yield _thing(choice, thing)
            yield from (_field_of_thing(choice, thing, field) for field in thing.fields)
    yield from map(_word, WORDS.values())


def _table(table: Table) -> Explanation:
    return Explanation(
        table.path,
        table.text,
        "table",
        table.page,
        example_of_field(table, next(iter(table.options.model_fields))),
        parts=_parts_of(table.options, list(table.options.model_fields), table.path),
    )


def _parts_of(options: type[Options], fields: Iterable[str], path: str) -> dict[str, str]:
    inner = {p.rpartition(".")[2]: c.text for p, c in CHOICES.items() if p == f"{path}.{_last(p)}"}
    return {field: describe(options, field) for field in fields} | inner


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _default(options: type[Options], field: str) -> str:
    found = options.model_fields[field]
    if found.is_required():
        return ""
    value: Any = found.get_default()
    if value is None or value == [] or value == {} or isinstance(value, Options):
        return "none"
    return inline(value)


def _field(options: type[Options], field: str, key: str, **more: Any) -> Explanation:
    schema = field_schemas(options)[field]
    number = "number" in type_words(schema)
    return Explanation(
        key=key,
        summary=describe(options, field),
        type="table" if nested(options, field) else type_words(schema),
        allowed="" if nested(options, field) else allowed_words(schema),
        default=_default(options, field),
        required=options.model_fields[field].is_required(),
        unit=UNITS.get(field, "") if number else "",
        **more,
    )


def _field_of_table(table: Table, field: str) -> Explanation:
    key = f"{table.path}.{field}"
    return _field(
        table.options,
        field,
        key,
        page=TABLES[key].page if key in TABLES else table.page,
        example=example_of_field(table, field),
        lists=LISTS[table.lists],
    )


def _field_of_thing(choice: Choice, thing: Thing, field: str) -> Explanation:
    return _field(
        thing.options,
        field,
        f"{choice.path}.{thing.name}.{field}",
        page=choice.page_of(thing.name),
        example=example_of_thing(choice, thing, field),
        lists=LISTS[choice.lists],
    )


def _field_of_choice(choice: Choice, field: str) -> Explanation:
    """A key that several of the names have: what all of them say is said once."""
    things = list(choice.with_field(field))
    every = [_field_of_thing(choice, thing, field) for thing in things]
    summaries = dict.fromkeys(each.summary for each in every)
    told = next(iter(summaries)) if len(summaries) == 1 else TERMS.get(field, "")
    parts = {}
    for thing, each in zip(things, every, strict=True):
        default = "required" if each.required else f"default {each.default}"
        own = "" if each.summary == told else each.summary.removeprefix(told).strip()
        parts[thing.name] = "; ".join(filter(None, (default, each.allowed, own)))
    same = dict.fromkeys((each.type, each.unit) for each in every)
    return Explanation(
        key=f"{choice.path}.{field}",
        summary=told or f"What it means depends on the {choice.kind}.",
        type=" or ".join(dict.fromkeys(each.type for each in every)),
        allowed="as below" if len({each.allowed for each in every}) > 1 else every[0].allowed,
        default="as below" if len({each.default for each in every}) > 1 else every[0].default,
        required=all(each.required for each in every),
        unit=next(iter(same))[1] if len(same) == 1 else "",
        page=every[0].page,
        example=every[0].example,
        lists=every[0].lists,
        parts=parts,
    )


def _choice(choice: Choice, key: str, kind: str) -> Explanation:
    reference = f', or "package.module:Name" for {choice.reference}' if choice.reference else ""
    thing = next((t for t in choice.things.values() if t.fields), None)
    assert thing is not None
    return Explanation(
        key=key,
        summary=choice.text,
        type=kind,
        allowed=f"{', '.join(choice.things)}{reference}",
        default=choice.default,
        required=not choice.default or key.endswith(".name"),
        page=choice.page,
        example=example_of_thing(choice, thing),
        lists=LISTS["grid"] if choice.path.startswith(("train.", "model.")) else "",
        parts={thing.name: thing.summary for thing in choice.things.values()},
    )


def _thing(choice: Choice, thing: Thing) -> Explanation:
    return Explanation(
        key=f"{choice.path}.{thing.name}",
        summary=f"{thing.summary[0].upper()}{thing.summary[1:]}.",
        type=choice.kind,
        page=choice.page_of(thing.name),
        example=example_of_thing(choice, thing),
        source=thing.source,
        parts={
            field: f"{default}; {describe(thing.options, field)}"
            for field in thing.fields
            for default in [f"default {_default(thing.options, field) or 'none, required'}"]
        },
    )


def _word(word: Word) -> Explanation:
    return Explanation(
        key=word.path,
        summary=word.text,
        type=word.type,
        page=word.page,
        example=word.example,
        allowed=word.allowed,
        default=word.default,
    )
