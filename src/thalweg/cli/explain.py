"""The command that tells what a key of a study file is: explain."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from shutil import get_terminal_size
from textwrap import fill, indent
from typing import Annotated

import typer

from thalweg.cli.output import print_json
from thalweg.cli.parameters import Json
from thalweg.study.source import SECTIONS
from thalweg.writing import Explanation, explain, explained

WIDEST = 96
"""Columns that a text uses of a wide terminal."""


def explain_key(
    key: Annotated[
        str | None,
        typer.Argument(
            help="A key's path, as optimizer.lr or train.schedule.gamma; or a name, as adam."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Tell what a key of a study file is, which values it may have, and where to read on."""
    found = [explained()[name] for name in SECTIONS] if key is None else explain(key)
    if as_json:
        print_json([asdict(each) for each in found])
    elif key is None:
        print("\n".join(_parts({each.key: each.summary for each in found})))
    else:
        print("\n\n".join("\n".join(_lines(each)) for each in found))


def _lines(found: Explanation) -> Iterator[str]:
    yield found.key
    yield _filled(found.summary, "  ")
    yield ""
    rows = {
        "type": found.type,
        "allowed": found.allowed,
        "default": "none: it must be given" if found.required else found.default,
        "unit": found.unit,
        "list": found.lists,
        "source": found.source,
        "see": found.page,
    }
    for what, text in rows.items():
        if text:
            yield _filled(text, f"  {what:<9}")
    yield indent(found.example, " " * 11).replace(" " * 11, "  example  ", 1)
    if found.parts:
        yield ""
        yield from _parts(found.parts)


def _parts(parts: Mapping[str, str]) -> Iterator[str]:
    widest = min(max(map(len, parts)), 24)
    for name, text in parts.items():
        yield _filled(text, f"  {name:<{widest}}  ")


def _filled(text: str, head: str) -> str:
    width = min(get_terminal_size((WIDEST, 24)).columns, WIDEST)
    return fill(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
