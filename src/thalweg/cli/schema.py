"""The command that prints the JSON Schema of a study file: schema."""

import json
from pathlib import Path
from typing import Annotated

import typer

from thalweg.store.files import write_whole
from thalweg.writing import study_schema


def schema(
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it there; else print it.")
    ] = None,
) -> None:
    """Print the JSON Schema of a study file, by which editors complete and check it.

    Those that use Taplo (Even Better TOML) do so if the study begins with #:schema and its path.
    """
    text = schema_text()
    if out is None:
        print(text, end="")
    else:
        write_whole(out, text)
        print(f"wrote {out}")


def schema_text() -> str:
    """Return the schema as JSON."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"
