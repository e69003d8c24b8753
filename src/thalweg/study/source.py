"""From a study file, a preset and the command line's overrides to one table."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from thalweg.errors import InputError
from thalweg.spec.run import IMPORTED
from thalweg.validation import unknown

Table = dict[str, Any]

SECTIONS = (
    *("study", "task", "model", "optimizer", "train", "sparsity", "search", "arms", "probes"),
    *("protocol", "presets"),
)

DEEPEST = 32
"""Tables and lists within one another that a study may have."""

CHOICES = ("task", "model", "init", "optimizer", "schedule")
"""Tables whose ``name`` chooses what their other keys are options of."""


def recipes() -> dict[str, str]:
    """Return the TOML text of every study that ships with the package, by name."""
    folder = files("thalweg.recipes")
    found = {p.name.removesuffix(".toml"): p for p in folder.iterdir() if p.name.endswith(".toml")}
    return {name: found[name].read_text(encoding="utf-8") for name in sorted(found)}


def read_study(source: str) -> Table:
    """Read a study by the path of a TOML file or the name of a recipe.

    Raises:
        InputError: There is no such file or recipe, or it is not TOML.
    """
    path = Path(source)
    if path.suffix == ".toml" or path.exists():
        try:
            return parse_study(path.read_text(encoding="utf-8"), str(path))
        except OSError as error:
            raise InputError(f"{source}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{source}: is not UTF-8 text ({error.reason})") from error
    shipped = recipes()
    if source not in shipped:
        raise InputError(f"{unknown('recipe', source, shipped)}, or give the path of a .toml file")
    return parse_study(shipped[source], f"recipe {source}")


def parse_study(text: str, where: str) -> Table:
    """Parse TOML.

    Raises:
        InputError: With the line and column of the error.
    """
    deep = f"{where}: is nested more than {DEEPEST} tables and lists deep, which no study is"
    try:
        table = tomllib.loads(text)
    except ValueError as error:  # a number of thousands of digits is no TOMLDecodeError
        raise InputError(f"{where}: is not valid TOML: {error}") from error
    except RecursionError:
        raise InputError(deep) from None
    level: list[Any] = [table]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in _children(each)]
    if level:
        raise InputError(deep)
    return table


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()


def effective(
    table: Table,
    preset: str | None = None,
    seeds: int | None = None,
    overrides: Sequence[str] = (),
) -> Table:
    """Return the study with preset, overrides and seeds applied, in that order.

    Args:
        table: As read.
        preset: Name of a ``[presets.NAME]`` table, or "full" for the study as it stands.
        seeds: Number of seeds, counted from 0.
        overrides: ``KEY=VALUE`` texts; the key is a dotted path, the value TOML, or else a string.

    Raises:
        InputError: An unknown preset or section, or an override that is not KEY=VALUE.
    """
    if IMPORTED in table:
        told = table.get("study")
        raise InputError(imported_sentence(told.get("name") if isinstance(told, Mapping) else None))
    for key in table:
        if key not in SECTIONS:
            raise InputError(unknown("key", key, SECTIONS))
    presets = table.get("presets", {})
    result = {key: value for key, value in table.items() if key != "presets"}
    if not isinstance(presets, Mapping):
        raise InputError(f"presets = {presets!r}: must be a table")
    if preset is not None and preset != "full":
        if preset not in presets:
            raise InputError(f"--preset: {unknown('preset', preset, ['full', *presets])}")
        if not isinstance(presets[preset], Mapping):
            raise InputError(f"presets.{preset} = {presets[preset]!r}: must be a table")
        changes = dict(presets[preset])
        allowed = [*(section for section in SECTIONS if section != "presets"), "seeds"]
        for key in changes:
            if key not in allowed:
                raise InputError(f"presets.{preset}: {unknown('key', key, allowed)}")
        if "seeds" in changes:
            result = merge(result, {"study": {"seeds": changes.pop("seeds")}})
        result = merge(result, changes)
        study = result.get("study")
        name = study.get("name") if isinstance(study, Mapping) else None
        if isinstance(name, str):  # a preset must not take the place of the full study
            result = merge(result, {"study": {"name": f"{name}-{preset}"}})
    for override in overrides:
        result = _override(result, override)
    if seeds is not None:
        result = merge(result, {"study": {"seeds": seeds}})
    return result


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Table:
    """Return ``base`` with the keys of ``over`` laid over it, tables merged key by key.

    A choice of another thing (``name = "adam"`` over ``name = "sgd"``) replaces the table below
    whole: the options of the one mean nothing to the other.
    """
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, str) and isinstance(value, Mapping) and "name" not in value:
            below = {"name": below}
        renamed = (
            isinstance(value, Mapping)
            and isinstance(below, Mapping)
            and key in CHOICES
            and "name" in below
            and value.get("name", below["name"]) != below["name"]
        )
        if isinstance(value, Mapping) and isinstance(below, Mapping) and not renamed:
            result[key] = merge(below, value)
        else:
            result[key] = value
    return result


def imported_sentence(name: Any) -> str:
    """Return why a study that was imported is not run."""
    return (
        f"study {name!r}: was imported from files of another program, so nothing can train it; it "
        "can be shown, queried, measured, audited, compared and reported"
    )


def _override(table: Table, text: str) -> Table:
    key, separator, value = text.partition("=")
    path = [part.strip() for part in key.split(".")]
    if not separator or not all(path):
        raise InputError(f"--set {text!r}: must be KEY=VALUE, for instance train.epochs=2")
    if path[0] not in SECTIONS:
        raise InputError(f"--set {text!r}: {unknown('key', path[0], SECTIONS)}")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    arms = table.get("arms", {})
    if path[0] == "arms" and len(path) > 1 and isinstance(arms, Mapping) and path[1] not in arms:
        raise InputError(f"--set {text!r}: {unknown('arm', path[1], arms)}")
    nested: Any = parsed
    for part in reversed(path):
        nested = {part: nested}
    return merge(table, nested)
